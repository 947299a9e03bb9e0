"""The worker's memory: what was delivered, what is held, what is dead."""
