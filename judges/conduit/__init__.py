"""Judges, conduit: its gateway and services beside a gateway and services of NestJS, on the same servers."""
