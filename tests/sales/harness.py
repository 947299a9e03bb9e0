"""Streaming processes for the tests, and what they write."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaProducer

from contracts.envelope import EventMessage, UnreadableEventError, headers_of
from contracts.sales import key_of, minute_of, read_sales
from devservices.instance import ROOT
from devservices.ports import choose_free
from devservices.processes import ManagedProcess, spawn
from kits.kafka.errors import KafkaError
from kits.kafka.log_reader import LogReader
from kits.kafka.records import IncomingRecord
from kits.kafka.security import KafkaSecurity, KafkaSettings
from kits.settings import Secret
from services.sales.builds import Build
from services.sales.container import Container
from services.sales.settings import HouseDatabaseSettings, SalesSettings
from services.sales.stream.settings import OrdersSettings
from tests.commands import PASSED_ON
from tests.integration.api.raw import exchange, message
from tests.sale_events import Totals
from tests.waiting import eventually, patient


class Streams:
    """The streaming processes of one test, each with a folder for its state, on one topic of order events."""

    def __init__(self, directory: Path, kafka_servers: str, source: str) -> None:
        self.directory = directory
        self.kafka_servers = kafka_servers
        self.build = Build(source=source)
        self.ports: dict[str, int] = {}
        self.processes: dict[str, ManagedProcess] = {}

    def environment(self, name: str = "commands") -> dict[str, str]:
        """The settings of a process or command."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_servers,
            "SALES_ORDERS_TOPIC": self.build.source,
            "SALES_STREAM_STATE_DIR": str(self.state_dir(name)),
            "SALES_STREAM_COMMIT_SECONDS": "0.3",
        }

    def state_dir(self, name: str) -> Path:
        """Where this process keeps its state."""
        return self.directory / f"state-{name}"

    def start(self, name: str, **settings: str) -> None:
        """Start a process; it is not waited for."""
        (self.ports[name],) = choose_free(1)
        kept = {each: os.environ[each] for each in PASSED_ON if each in os.environ}
        own = {"SALES_STREAM_PORT": str(self.ports[name])}
        self.processes[name] = spawn(
            name,
            [sys.executable, "-m", "services.sales", "stream"],
            log_path=self.directory / f"{name}.log",
            env={**kept, **self.environment(name), **own, **settings},
            cwd=ROOT,
        )

    def kill(self, name: str) -> None:
        """SIGKILL, the engine first: it must not notice that its parent is gone."""
        parent = psutil.Process(self.processes[name].pid)
        for process in [*parent.children(), parent]:
            process.send_signal(signal.SIGKILL)
        self.processes[name].wait(patient(10))

    async def stop(self, name: str) -> bool:
        """SIGTERM; whether it has ended by itself within 10 s."""
        return await asyncio.to_thread(self.processes[name].stop, patient(10))

    async def page(self, name: str, path: str) -> tuple[int, str]:
        """What the probes answer; 0 while nobody listens."""
        try:
            reply = await exchange(self.ports[name], message("GET", path))
        except OSError:
            return 0, ""
        return reply.status, reply.body.decode()

    async def number(self, name: str, metric: str) -> float:
        """A metric's number, the sum over its labels; 0 if it is not there."""
        _, text = await self.page(name, "/metrics")
        found = [line for line in text.splitlines() if line.startswith((f"{metric} ", f"{metric}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    async def are_ready(self, *names: str) -> None:
        """Wait until all of these are."""

        async def ready() -> bool:
            return all([(await self.page(name, "/readyz"))[0] == 200 for name in names])

        await eventually(ready, poll_seconds=0.2)

    async def told(self, build: Build | None = None) -> dict[str, Totals]:
        """The newest totals by key, as a reader of committed records sees them."""
        found: dict[str, Totals] = {}
        for record in await self.records((build or self.build).sales):
            try:
                sales = read_sales(record.key, record.value)
            except UnreadableEventError:
                continue
            if sales.orders > found.get(sales.key, (0,))[0]:
                found[sales.key] = sales.orders, sales.pieces, sales.revenue
        return found

    async def records(self, topic: str) -> list[IncomingRecord]:
        """All committed records of a topic, partition by partition; none if it is not there.

        While it cannot be read this is an AssertionError, which whoever waits takes for "not yet".
        """
        try:
            return await self._records(topic)
        except KafkaError as error:
            raise AssertionError(str(error)) from error

    async def _records(self, topic: str) -> list[IncomingRecord]:
        found: list[IncomingRecord] = []
        async with log_reader(self.kafka_servers) as reader:
            if not await reader.partition_count(topic):
                return []
            for at, (start, end) in (await reader.bounds(topic)).items():
                at_offset = start
                while at_offset < end:
                    piece = await reader.piece(at, at_offset, 10_000)
                    found += piece.records
                    at_offset = piece.next_offset
        return found

    async def large_orders(self) -> list[str]:
        """The ids of all large orders that were told, in order."""
        records = await self.records(self.build.large)
        return sorted(msgspec.json.decode(record.value or b"")["orderId"] for record in records)


def log_reader(kafka_servers: str) -> LogReader:
    """A reader without a group."""
    return LogReader(bootstrap_servers=kafka_servers, security=KafkaSecurity(), client_id="test")


@asynccontextmanager
async def streams(directory: Path, kafka_servers: str, source: str) -> AsyncIterator[Streams]:
    """Whatever was started is killed at the end."""
    running = Streams(directory, kafka_servers, source)
    try:
        yield running
    finally:
        for name, process in running.processes.items():
            if process.alive:
                running.kill(name)


async def produce(kafka_servers: str, topic: str, messages: Iterable[EventMessage]) -> None:
    """Write events as the outbox does, in this order."""
    await write(kafka_servers, topic, [(each.key, each.payload, list(headers_of(each))) for each in messages])


async def write(
    kafka_servers: str,
    topic: str,
    records: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
) -> None:
    """Write any records."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers, max_request_size=4 * 1_048_576)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, key=key, value=value, headers=list(headers))
            for key, value, headers in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def container_of(stream: Streams, database_url: str) -> Container:
    """The serving role inside of the test; nothing is contacted yet."""
    settings = SalesSettings(
        database=HouseDatabaseSettings(url=Secret(database_url)),
        sales_orders=OrdersSettings(topic=stream.build.source),
        kafka=KafkaSettings(bootstrap_servers=stream.kafka_servers),
    )
    return Container(settings=settings)


async def shown(container: Container) -> dict[str, Totals]:
    """What the build in force says of all times."""
    since, until = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    rows = await container.read_store().page(since, until, after=(since, ""), limit=10_000)
    return {
        key_of(minute_of(row.minute.isoformat()), row.currency): (row.orders, row.pieces, row.revenue)
        for row in rows
    }
