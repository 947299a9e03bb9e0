"""Kit: Kafka, and what its client gets wrong by default."""
