"""Conduit: a blog in four processes that only talk over Kafka: gateway, auth, articles and profiles."""
