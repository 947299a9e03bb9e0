"""The commands of the worker."""
