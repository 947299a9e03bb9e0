"""Use cases: what the shop can do, and the ports it needs for it."""
