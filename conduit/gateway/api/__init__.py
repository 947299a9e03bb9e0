"""The REST door: RealWorld's API under `/api`."""
