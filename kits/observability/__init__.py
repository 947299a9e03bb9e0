"""Logs, metrics, trace context and health."""
