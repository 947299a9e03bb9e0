"""Use cases: what the doors offer, composed of what the services answer."""
