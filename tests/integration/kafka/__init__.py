"""Integration: the Kafka kit against a real broker."""
