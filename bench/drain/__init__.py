"""Measures how fast a backlog drains: from the topic to the data platform, from the outbox to the topic."""
