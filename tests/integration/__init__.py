"""Integration: parts against real servers."""
