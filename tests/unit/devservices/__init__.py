"""Unit tests of the development services."""
