"""Schemas of what travels: a registry, and which change of a definition its readers survive."""
