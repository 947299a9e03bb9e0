"""Clients for the tests: producers and consumers that are stopped for sure, and the whole log of a topic."""

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition

from devservices import throwaway
from devservices.kafka import KafkaServer
from kits.kafka.admin import TopicAdmin
from kits.kafka.producer import RecordProducer
from kits.kafka.records import OutgoingRecord
from kits.kafka.security import KafkaSecurity
from tests.waiting import patient

PLAIN = KafkaSecurity()


def soon() -> float:
    """A deadline that a test never reaches."""
    return time.monotonic() + patient(300)


def record(topic: str, key: str, number: int, *, padding: int = 0) -> OutgoingRecord:
    """A record whose value is its number within its key."""
    return OutgoingRecord(topic, key.encode(), str(number).encode() + b" " * padding)


def topic_admin(servers: str, security: KafkaSecurity = PLAIN) -> TopicAdmin:
    return TopicAdmin(bootstrap_servers=servers, security=security, client_id="test-admin")


@asynccontextmanager
async def producing(servers: str, **options: Any) -> AsyncIterator[RecordProducer]:
    """A started producer, stopped at the end."""
    given: dict[str, Any] = {"security": PLAIN, "client_id": "test-producer"} | options
    producer = RecordProducer(bootstrap_servers=servers, **given)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop(within_seconds=2.0)


@contextmanager
def own_kafka(purpose: str) -> Iterator[KafkaServer]:
    """A broker that only one file uses, since it stops or kills it; not started yet."""
    stack = throwaway.claim(purpose)
    # A killed broker's successor is let in after one second instead of two.
    yield KafkaServer(stack.instance.directory / "kafka", session_timeout_ms=1_000)
    throwaway.release(stack)


def new_group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


async def whole_log(servers: str, topic: str) -> list[tuple[str, int]]:
    """(key, number) of every record of the topic, in log order per partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="none", enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        partitions = [ClientPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        found: list[tuple[str, int]] = []
        for partition in partitions:
            consumer.seek(partition, starts[partition])
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(partition, timeout_ms=500)).values():
                    found += [((r.key or b"").decode(), int(r.value)) for r in records]
        return found
    finally:
        await consumer.stop()


def by_key(log: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """The numbers of each key, in log order."""
    found: dict[str, list[int]] = defaultdict(list)
    for key, number in log:
        found[key].append(number)
    return dict(found)


def repeats(log: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """What stands in the log more than once."""
    return [entry for entry, count in Counter(log).items() if count > 1]
