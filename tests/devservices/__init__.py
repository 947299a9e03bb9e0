"""Integration tests of the development services, on real processes."""
