"""Copies of what died, in a real dead-letter topic: once it is there, and whoever makes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity
from kits.observability.health import Status
from kits.postgres.engine import create_engine
from tests.integration.worker.inbox_rows import GROUP, NOW, InboxRows
from tests.waiting import eventually, patient
from worker.inbox.dead_letter_copies import DeadLetterCopies

PARTITIONS = 3


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@asynccontextmanager
async def copying(database: str, kafka: str, topic: str) -> AsyncIterator[DeadLetterCopies]:
    """What one process does, by hand."""
    engine = create_engine(database, application_name="test-copies")
    producer = RecordProducer(
        bootstrap_servers=kafka, security=KafkaSecurity(), client_id="test", missing_topic_grace_seconds=0.2
    )
    await producer.start()
    try:
        yield DeadLetterCopies(engine, producer, group=GROUP, topic=topic, wait_seconds=0.1)
    finally:
        await producer.stop(within_seconds=2.0)
        await engine.dispose()


async def copies_in(kafka: str, topic: str, count: int) -> list[Any]:
    """The first so many records of a topic, and that there are no more."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        assert sum((await consumer.end_offsets(partitions)).values()) == count
        found: list[Any] = []
        async with asyncio.timeout(patient(60)):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += records
        return found
    finally:
        await consumer.stop()


async def test_what_died_is_copied_once_by_two_processes_in_the_order_of_its_numbers(
    rows: InboxRows, database_url: str, kafka_servers: str, topic: str
) -> None:
    """As it was, with why in its headers; also what was sent again meanwhile, whose bytes go only then."""
    for number in range(5, 0, -1):
        await rows.put("o-1", number, "dead")
    delivered = {"redriven_at": NOW, "delivered_at": NOW, "dead_at": None}
    redriven = await rows.put("o-2", 1, "dead", **delivered)
    notice = await rows.put("o-3", 1, "dead", notice_of="", **delivered)
    await rows.put(None, None, "dead", payload=None, headers=None, error_class="unreadable")
    await rows.put("o-4", 1, "dead", dlq_copied_at=NOW)
    await rows.put("o-5", 1)
    async with (
        copying(database_url, kafka_servers, topic) as one,
        copying(database_url, kafka_servers, topic) as two,
    ):

        async def everything_is_copied() -> bool:
            await asyncio.gather(one.look(), two.look())
            query = "SELECT 1 FROM delivery.inbox_event WHERE dlq_copied_at IS NULL"
            return len(await rows.ask(query)) == 1

        await eventually(everything_is_copied)
        assert (await one.check()).status is Status.OK
    copies = await copies_in(kafka_servers, topic, 8)
    headers = [dict(copy.headers) for copy in copies if copy.key == b"o-1"]
    assert [each["order_seq"] for each in headers] == [b"1", b"2", b"3", b"4", b"5"]
    assert {name: value for name, value in headers[0].items() if name.startswith("dlq_")} == {
        "dlq_group": GROUP.encode(), "dlq_topic": b"order-events", "dlq_partition": b"0", "dlq_offset": b"5",
        "dlq_attempts": b"1", "dlq_error_class": b"rejected", "dlq_error_code": b"422",
        "dlq_error_message": b"no such field", "dlq_first_failed_at": headers[0]["dlq_first_failed_at"],
        "dlq_last_failed_at": headers[0]["dlq_last_failed_at"],
    }  # fmt: skip
    assert [copy.value for copy in copies if copy.key == b"?"] == [None]
    query = "SELECT event_id FROM delivery.inbox_event WHERE payload IS NOT NULL AND delivered_at IS NOT NULL"
    assert redriven != notice
    assert [row["event_id"] for row in await rows.ask(query)] == [notice]


async def test_a_missing_topic_is_an_alert_and_the_copies_follow_when_it_is_made(
    rows: InboxRows, database_url: str, kafka_servers: str, topic: str
) -> None:
    """Nothing else stops, and nothing is forgotten."""
    await rows.put("o-1", 1, "dead")
    missing = f"{topic}.dlq"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    try:
        async with copying(database_url, kafka_servers, missing) as copies:
            assert not await copies.look()
            found = await copies.check()
            assert (found.status, missing in found.detail) == (Status.DEGRADED, True)
            await admin.create_topics([NewTopic(missing, PARTITIONS, 1)])
            await eventually(copies.look)
            assert (await copies.check()).status is Status.OK
            (copy,) = await copies_in(kafka_servers, missing, 1)
            assert copy.key == b"o-1"
    finally:
        await admin.delete_topics([missing])
        await admin.close()
