"""Outbox kit: an ordered queue from its owner's transactions to Kafka."""
