"""A worker in this process on real servers, the reference data platform beside it, and a writer of events."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from dependency_injector import providers

from devservices.data_platform.server import PlatformOptions, start
from devservices.ports import choose_free
from kits.kafka.producer import RecordProducer
from kits.kafka.records import OutgoingRecord
from kits.kafka.security import KafkaSecurity
from kits.settings import read_settings
from tests.unit.worker.events import Sample
from tests.waiting import eventually, patient
from worker.container import Container
from worker.groups.data_platform.settings import DeliverySettings

TOPIC_PARTITIONS = 3
_STATUSES = """
SELECT coalesce(seq, was_seq) AS seq,
       CASE WHEN delivered_at IS NOT NULL THEN 'delivered' WHEN given_up_at IS NOT NULL THEN 'given up'
            WHEN dead_at IS NOT NULL THEN 'dead' WHEN last_failed_at IS NOT NULL THEN 'failing'
            ELSE 'waiting' END AS status
  FROM delivery.inbox_event WHERE order_id = $1 ORDER BY 1"""


class Platform:
    """The reference data platform on a port of its own; can be stopped and started again."""

    def __init__(self) -> None:
        (port,) = choose_free()
        self._options = PlatformOptions(port=port)
        self._runner: Any = None
        self.url = f"http://127.0.0.1:{port}"

    async def start(self) -> None:
        self._runner = await start(self._options)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def faults(self, **switches: Any) -> None:
        """Replace all fault switches; none means good behaviour."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/faults", json=switches) as told,
        ):
            assert told.status == 200, await told.text()

    async def received(self, **query: str) -> dict[str, Any]:
        """What arrived."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/received", params=query) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def seqs(self, order_id: str) -> list[int]:
        """The numbers of an order's first arrivals, as they came."""
        arrivals = (await self.received(orderId=order_id))["arrivals"]
        return [arrival["seq"] for arrival in arrivals if arrival["first"]]


@asynccontextmanager
async def running_platform() -> AsyncIterator[Platform]:
    """A platform, stopped at the end."""
    platform = Platform()
    await platform.start()
    try:
        yield platform
    finally:
        await platform.stop()


class Pipeline:
    """One topic, one group, one inbox: workers come and go, events are written, the inbox is read."""

    def __init__(self, *, kafka: str, database: str, topic: str, platform: Platform, **settings: str) -> None:
        self.kafka = kafka
        self.database = database
        self.topic = topic
        self.dead_letter_topic = f"{topic}.dlq"
        self.group = f"group-{topic}"
        self.platform = platform
        self.environment = {
            "DATABASE_URL": database,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATA_PLATFORM_URL": platform.url,
        } | settings

    @asynccontextmanager
    async def worker(self, **settings: str) -> AsyncIterator[Container]:
        """A worker that consumes until the end of the block, and drains then."""
        container = Container(settings=read_settings(DeliverySettings, self.environment | settings))
        container.order_events.override(providers.Object(self.topic))
        container.dead_letter_topic.override(providers.Object(self.dead_letter_topic))
        container.group.override(providers.Object(self.group))
        stop = asyncio.Event()
        running = asyncio.create_task(container.data_platform_group().run(stop))
        try:
            yield container
        finally:
            stop.set()
            await asyncio.wait_for(running, patient(60))
            for pools in container.pools():
                await pools.stop()

    async def write(self, samples: Iterable[Sample | OutgoingRecord]) -> None:
        """Write events to the topic, in their order, acknowledged."""
        producer = RecordProducer(
            bootstrap_servers=self.kafka, security=KafkaSecurity(), client_id=f"writer-{uuid.uuid4().hex[:6]}"
        )
        await producer.start()
        try:
            records = [each.outgoing(self.topic) if isinstance(each, Sample) else each for each in samples]
            futures = [producer.send(record, not_after=time.monotonic() + patient(60)) for record in records]
            await asyncio.wait_for(asyncio.gather(*futures), patient(60))
        finally:
            await producer.stop(within_seconds=2.0)

    async def rows(self, query: str, *values: Any) -> Sequence[Any]:
        """Ask the inbox's database."""
        connection = await asyncpg.connect(self.database)
        try:
            found: Sequence[Any] = await connection.fetch(query, *values)
            return found
        finally:
            await connection.close()

    async def execute(self, statement: str, *values: Any) -> None:
        """Change the inbox's database."""
        await self.rows(statement, *values)

    @asynccontextmanager
    async def closed_database(self) -> AsyncIterator[None]:
        """The database cannot be reached within the block, and its connections are ended."""
        address = urlsplit(self.database)
        name = address.path.removeprefix("/")
        connection = await asyncpg.connect(address._replace(path="/postgres").geturl())

        async def is_away() -> bool:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            try:
                await connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_away"')
            except asyncpg.ObjectInUseError:  # somebody has come back in between
                return False
            return True

        try:
            await eventually(is_away)
            try:
                yield
            finally:
                await connection.execute(f'ALTER DATABASE "{name}_away" RENAME TO "{name}"')
        finally:
            await connection.close()

    async def statuses(self, order_id: str) -> dict[int, str]:
        """What each of an order's events is in the inbox; one that waits is `failing` once it has failed."""
        rows = await self.rows(_STATUSES, order_id)
        return {row["seq"]: row["status"] for row in rows}

    async def all_delivered(self, count: int) -> None:
        """Wait until the inbox holds so many events and each is delivered."""

        async def are_delivered() -> bool:
            query = "SELECT count(*), count(delivered_at) FROM delivery.inbox_event"
            return [tuple(row) for row in await self.rows(query)] == [(count, count)]

        await eventually(are_delivered)

    async def dead_letters(self) -> list[Any]:
        """The records of the dead-letter topic, in log order per partition."""
        partitions = [TopicPartition(self.dead_letter_topic, number) for number in range(TOPIC_PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka)
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            count = sum((await consumer.end_offsets(partitions)).values())
            found: list[Any] = []
            async with asyncio.timeout(patient(60)):
                while len(found) < count:
                    for records in (await consumer.getmany(timeout_ms=250)).values():
                        found += records
            return found
        finally:
            await consumer.stop()

    async def committed_everything(self) -> bool:
        """Whether the group's offsets have reached the ends of the partitions."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(TOPIC_PARTITIONS)]
            ends = await consumer.end_offsets(partitions)
            return all([await consumer.committed(at) == end for at, end in ends.items()])
        finally:
            await consumer.stop()

    async def rewind_to_start(self) -> None:
        """Commit the starts of all partitions, as if no offset had ever been committed since."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(TOPIC_PARTITIONS)]
            consumer.assign(partitions)
            await consumer.commit(dict.fromkeys(partitions, 0))
        finally:
            await consumer.stop()


async def arrived(pipeline: Pipeline, count: int) -> None:
    """Wait until the data platform has taken that many events; repeats do not count."""

    async def enough() -> bool:
        summary = await pipeline.platform.received()
        return bool(summary["count"] - summary["duplicates"] >= count)

    await eventually(enough)
