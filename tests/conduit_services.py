"""Conduit for the tests: its services as they are, on a Kafka in memory and a real PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from conduit.contracts import articles, profiles, users
from conduit.contracts.refusals import not_found
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.kafka.security import KafkaSettings
from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcError
from kits.rpc.handlers import message_pattern
from kits.rpc_service.settings import FallbackDatabaseSettings
from kits.settings import Secret
from tests.fake_kafka import FakeKafka
from tests.rpc_services import fake_client, fake_server, started
from tests.waiting import eventually

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
    kafka = FakeKafka(
        dict.fromkeys([*requests, *events, *letters], 3) | {f"{name}.reply": 6 for name in _CALLERS}
    )
    # Handlers ask the machine's clock how much of a deadline is left.
    kafka.clock_offset_seconds = time.time() - kafka.now()
    return kafka


def database_of(url: str) -> FallbackDatabaseSettings:
    """The settings of a service's database."""
    return FallbackDatabaseSettings(url=Secret(url))


class FakeAuth:
    """Knows some users, and counts how often it is asked."""

    def __init__(self, *known: users.UserChanged) -> None:
        self.known = list(known)
        self.asked = 0

    @message_pattern(users.DESCRIBE_USERNAME)
    async def named(self, query: users.UserNamed) -> users.UserChanged:
        return self._only(each for each in self.known if each.username == query.username)

    @message_pattern(users.DESCRIBE_USER)
    async def user(self, query: users.UserWithId) -> users.UserChanged:
        return self._only(each for each in self.known if each.id == query.id)

    def _only(self, found: Iterator[users.UserChanged]) -> users.UserChanged:
        self.asked += 1
        user = next(found, None)
        if user is None:
            raise not_found("user")
        return user


def a_user(number: int, username: str, *, version: int = 1, bio: str | None = None) -> users.UserChanged:
    return users.UserChanged(id=f"u-{number}", username=username, bio=bio, image=None, version=version)


async def tell(kafka: FakeKafka, asker: RpcClient, *changes: users.UserChanged) -> None:
    """As auth does; returns when the service has all of them behind it."""
    for change in changes:
        await asker.emit(users.USER_CHANGED, change, key=change.id)

    def all_are_taken() -> bool:
        logs = {at: log for at, log in kafka.logs.items() if at.topic == users.USER_CHANGED.topic}
        return all(kafka.committed.get(at, 0) == len(log) for at, log in logs.items())

    await eventually(all_are_taken)


class FailsAtFirst:
    """A store's `keep` that fails five times, as when its database is away for a moment."""

    def __init__(self, store: Any) -> None:
        self._keep = store.keep
        self.failures = 5
        store.keep = self

    async def __call__(self, person: users.UserChanged) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError("the database went away")
        await self._keep(person)


async def refused(asking: Awaitable[Any]) -> tuple[int, str, str, str]:
    """Status, code, field and words of the refusal."""
    with pytest.raises(RpcError) as caught:
        await asking
    error = caught.value
    return error.status, error.code, error.path, error.detail


NO_KAFKA = KafkaSettings(bootstrap_servers="127.0.0.1:1")


@dataclass(frozen=True)
class EventProducer:
    """An outbox's RecordProducer on the Kafka in memory."""

    kafka: FakeKafka
    oldest_pending_seconds = 0.0

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        return self.kafka.send(record, not_after=not_after)

    async def start(self) -> None:
        pass

    async def warm(self, topics: Iterable[str]) -> None:
        pass

    async def stop(self, *, within_seconds: float) -> None:
        pass

    def limit_record_size(self, topic: str, limit: int) -> None:
        pass


class NoTopicAdmin:
    """An outbox's TopicAdmin where every topic is there."""

    async def ensure_topics(self, specs: Iterable[Any]) -> list[Any]:
        return []

    async def topic_limit(self, topic: str) -> int:
        return 1_000_000


@asynccontextmanager
async def service_on(kafka: FakeKafka, container: Any, name: str) -> AsyncIterator[Any]:
    """One service, made from its container, its tables migrated, asking and answering on this Kafka."""
    parts: list[Any] = []
    if "client" in container.providers:
        parts.append(fake_client(kafka, Named(name)))
        container.client.override(parts[0])
    if "outbox_lifecycle" in container.providers:
        container.event_producer.override(EventProducer(kafka))
        container.topic_admin.override(NoTopicAdmin())
        parts.append(container.outbox_lifecycle())
    ledger = container.request_ledger()
    parts.append(fake_server(kafka, Named(name), *container.controllers(), ledger=ledger))
    await container.history().migrate(container.engine())
    try:
        async with started(*parts):
            yield container
    finally:
        await container.pools().stop()


@asynccontextmanager
async def asker_on(kafka: FakeKafka) -> AsyncIterator[RpcClient]:
    """Somebody who asks them all."""
    client = fake_client(kafka, Named("conduit-test"))
    async with started(client):
        yield client
