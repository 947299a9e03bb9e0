"""Faults on purpose, and the checker that compares everything afterwards."""
