"""Judges: the tests' own Kafka."""

from tests.conftest import kafka_servers, own_servers

__all__ = ["kafka_servers", "own_servers"]
