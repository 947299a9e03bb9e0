"""Waiting, trying again and background work, always bounded."""
