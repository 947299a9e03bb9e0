"""A Kafka in memory for request-reply: topics, a group, and outages; under virtual time it costs none."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from kits.kafka.errors import (
    KafkaConfigurationError,
    PartitionError,
    RecordsUnreadableError,
    RecordTooLargeError,
)
from kits.kafka.places import Place
from kits.kafka.records import Acknowledgement, Deadline, IncomingRecord, OutgoingRecord, TopicPartition
from kits.kafka.topic_routes import partition_for

_MAX_RECORD_BYTES = 1_000_000
_TOPIC_ID = UUID(int=1)


class FakeKafka:
    """The logs of all topics, and what its groups have committed."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        """Args: topics: how many partitions each has."""
        self.partitions = dict(topics)
        self.logs: dict[TopicPartition, list[IncomingRecord]] = {
            TopicPartition(topic, number): [] for topic, count in topics.items() for number in range(count)
        }
        self.committed: dict[TopicPartition, int] = {}
        self.clock_offset_seconds = 0.0
        self.damage: dict[TopicPartition, int] = {}
        self.is_up = asyncio.Event()
        self.is_up.set()
        self._news = asyncio.Event()

    def now(self) -> float:
        """See WallClock: it moves with the loop."""
        return 1_000_000.0 + self.clock_offset_seconds + asyncio.get_running_loop().time()

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """See KafkaProbe."""
        return self.is_up.is_set()

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """See RpcProducer."""
        if record.topic not in self.partitions:
            raise KafkaConfigurationError(f"there is no topic {record.topic}")
        if len(record.value or b"") > _MAX_RECORD_BYTES:
            raise RecordTooLargeError("too large")
        return asyncio.ensure_future(self._write(record))

    def write(self, record: OutgoingRecord) -> Acknowledgement:
        """Append at once."""
        numbers = range(self.partitions[record.topic])
        number = record.partition
        if number is None:
            # Those without a key go round.
            keyless = sum(map(len, self.logs.values())) % len(numbers)
            number = keyless if record.key is None else partition_for(record.key, numbers)
        at = TopicPartition(record.topic, number)
        log = self.logs[at]
        when = int(self.now() * 1000)
        log.append(IncomingRecord(at.topic, number, len(log), when, record.key, record.value, record.headers))
        news, self._news = self._news, asyncio.Event()
        news.set()
        return Acknowledgement(at.topic, number, len(log) - 1)

    def records(self, topic: str) -> list[IncomingRecord]:
        """All of a topic."""
        return [each for at, log in self.logs.items() if at.topic == topic for each in log]

    async def partition_count(self, topic: str) -> int:
        """See TopicDirectory."""
        return self.partitions.get(topic, 0)

    async def ensure(self) -> None:
        """See NeededTopics: those that a test needs are there."""

    async def refuse(self) -> None:
        """See Rivals: there are none."""

    def new(self, topics: Iterable[str]) -> "FakeReader":
        """See RequestReaders: one member gets everything."""
        return FakeReader(self, [at for at in self.logs if at.topic in set(topics)])

    async def read(
        self, positions: dict[TopicPartition, int], seconds: float, limit: int
    ) -> list[IncomingRecord]:
        """What lies behind these positions, which it moves; waits for it."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            await self.is_up.wait()
            found: list[IncomingRecord] = []
            for at, offset in positions.items():
                taken = self.logs[at][offset : offset + limit]
                positions[at] = offset + len(taken)
                found += taken
            left = until - asyncio.get_running_loop().time()
            if found or left <= 0:
                return found
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return []

    async def _write(self, record: OutgoingRecord) -> Acknowledgement:
        await self.is_up.wait()
        return self.write(record)


@dataclass
class FakeTail:
    """ReplyTail on one partition of it."""

    kafka: FakeKafka
    at: TopicPartition
    _positions: dict[TopicPartition, int] | None = None

    async def open(self) -> TopicPartition:
        await self.kafka.is_up.wait()
        if self._positions is None:
            self._positions = {self.at: len(self.kafka.logs[self.at])}
        return self.at

    async def poll(self, timeout_ms: int) -> list[IncomingRecord]:
        return await self.kafka.read(self._positions or {}, timeout_ms / 1000, 1_000)

    async def close(self) -> None:
        pass


class FakeReader:
    """RequestReader, the only member of its group."""

    def __init__(self, kafka: FakeKafka, assigned: list[TopicPartition]) -> None:
        self._kafka = kafka
        self._assigned = assigned
        self._positions: dict[TopicPartition, int] = {}
        self._paused = False
        self.stopped: dict[TopicPartition, PartitionError] = {}
        self.rebalances = 0
        self.is_handing_back = False

    @property
    def unplaced(self) -> frozenset[TopicPartition]:
        return frozenset(self._assigned) - self._positions.keys() - self.stopped.keys()

    async def start(self) -> None:
        await self._kafka.is_up.wait()
        self.rebalances = 1

    async def stop(self, within_seconds: float) -> None:
        pass

    async def places(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Place]:
        logs, committed = self._kafka.logs, self._kafka.committed
        return {at: Place(_TOPIC_ID, 0, len(logs[at]), committed.get(at)) for at in partitions}

    async def offsets_at(
        self, partitions: Iterable[TopicPartition], when_ms: int
    ) -> dict[TopicPartition, int | None]:
        return {
            at: next((each.offset for each in self._kafka.logs[at] if each.timestamp_ms >= when_ms), None)
            for at in partitions
        }

    async def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]:
        if self._paused:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        self._stop_at_damage()
        found: dict[TopicPartition, list[IncomingRecord]] = {}
        for record in await self._kafka.read(self._positions, timeout_ms / 1000, max_records):
            found.setdefault(record.topic_partition, []).append(record)
        return found

    def _stop_at_damage(self) -> None:
        for at, offset in self._kafka.damage.items():
            if self._positions.get(at, offset + 1) <= offset:
                self.stopped[at] = RecordsUnreadableError(at, offset, "damaged")
                del self._positions[at]

    async def commit(self, offsets: Mapping[TopicPartition, int], within_seconds: float) -> bool:
        self._kafka.committed |= offsets
        return True

    def place(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset
        self.stopped.pop(partition, None)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def hand_back(self) -> None:
        self.is_handing_back = False
