"""Judges: the tests' own Kafka, and a real schema registry."""

from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from devservices.registry import RegistryServer
from devservices.stack import Stack
from tests.conftest import kafka_servers, own_servers
from tests.waiting import patient

__all__ = ["kafka_servers", "own_servers"]


@pytest.fixture(scope="session")
def apicurio(own_servers: Stack) -> Iterator[RegistryServer]:
    """Apicurio Registry on this session's PostgreSQL; the first time its files are downloaded."""
    own_servers.postgres.start(patient(60))
    own_servers.registry.start(patient(120))
    yield own_servers.registry
    own_servers.registry.stop()


@pytest.fixture
def confluent(apicurio: RegistryServer) -> Iterator[SchemaRegistryClient]:
    """Confluent's client of it, which by itself would wait for an answer for ever."""
    with SchemaRegistryClient({"url": apicurio.url, "timeout": patient(30)}) as client:
        yield client
