"""Conduit for the tests: its services as they are, on a Kafka in memory and a real PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conduit.contracts import articles, profiles, users
from kits.kafka.security import KafkaSettings
from kits.rpc.client import RpcClient
from kits.rpc_service.settings import FallbackDatabaseSettings
from kits.settings import Secret
from tests.fake_kafka import FakeKafka
from tests.rpc_services import fake_client, fake_server, started

SERVICES = ("auth", "articles", "profiles")
_CALLERS = ("conduit-gateway", *(f"conduit-{name}" for name in SERVICES), "conduit-test")


@dataclass(frozen=True)
class Named:
    """rpc_services.Names, of a process whose group has the name of its client."""

    client_id: str

    @property
    def group(self) -> str:
        return self.client_id


def conduit_kafka() -> FakeKafka:
    """A Kafka in memory with every topic of conduit."""
    patterns = (*users.PATTERNS, *articles.PATTERNS, *profiles.PATTERNS)
    requests = [each.topic for each in patterns]
    events = [users.USER_CHANGED.topic]
    letters = [f"{users.USER_CHANGED.topic}.conduit-{name}.dlq" for name in SERVICES]
    return FakeKafka(
        dict.fromkeys([*requests, *events, *letters], 3) | {f"{name}.reply": 6 for name in _CALLERS}
    )


def database_of(url: str) -> FallbackDatabaseSettings:
    """The settings of a service's database."""
    return FallbackDatabaseSettings(url=Secret(url))


NO_KAFKA = KafkaSettings(bootstrap_servers="127.0.0.1:1")


@asynccontextmanager
async def service_on(kafka: FakeKafka, container: Any, name: str) -> AsyncIterator[Any]:
    """One service, made from its container, its tables migrated, asking and answering on this Kafka."""
    client = fake_client(kafka, Named(name))
    container.client.override(client)
    server = fake_server(kafka, Named(name), container.controller(), ledger=container.request_ledger())
    await container.history().migrate(container.engine())
    try:
        async with started(client, server):
            yield container
    finally:
        await container.pools().stop()


@asynccontextmanager
async def asker_on(kafka: FakeKafka) -> AsyncIterator[RpcClient]:
    """Somebody who asks them all."""
    client = fake_client(kafka, Named("conduit-test"))
    async with started(client):
        yield client
