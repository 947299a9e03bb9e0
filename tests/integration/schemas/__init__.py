"""Schemas on real servers."""
