"""Probes and metrics, for operators."""
