"""The commands of the order service."""
