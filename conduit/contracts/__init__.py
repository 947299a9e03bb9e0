"""Contract: what the processes of conduit ask and tell each other, and nothing else that they share."""
