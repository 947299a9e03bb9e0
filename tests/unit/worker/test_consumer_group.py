"""The loop of a group: place, poll, handle, commit; and a new reader when Kafka fails one."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kits.kafka.errors import (
    InstanceIdInUseError,
    KafkaError,
    KafkaUnavailableError,
    OffsetOutOfRangeError,
    PartitionError,
)
from kits.kafka.group_reader import GroupReader
from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.health import Status
from tests.unit.worker.events import TOPIC, Sample
from tests.waiting import eventually
from worker import group as loop
from worker.group import ConsumerGroup
from worker.handler import HandlerUnavailableError, PlainValues, Records

AT, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


class FakeReader(GroupReader):
    """A member that has two partitions with ten records each."""

    def __init__(self, broken: KafkaError | None) -> None:
        self.broken = broken
        self.positions: dict[TopicPartition, int] = {}
        self.paused = False
        self.committed: dict[TopicPartition, int] = {}
        self.places_fail = False
        self.is_stopped = False
        self.damaged: dict[TopicPartition, PartitionError] = {}
        self.logs = {
            at: [Sample().incoming(n, partition=at.partition) for n in range(10)] for at in (AT, OTHER)
        }

    @property
    def rebalances(self) -> int:
        return 1

    @property
    def unplaced(self) -> frozenset[TopicPartition]:
        return frozenset(self.logs) - self.positions.keys()

    @property
    def stopped(self) -> Mapping[TopicPartition, PartitionError]:
        return self.damaged

    async def start(self, within_seconds: float = 15.0) -> None:
        if self.broken is not None:
            raise self.broken

    async def stop(self, within_seconds: float) -> None:
        self.is_stopped = True

    async def places(
        self, partitions: Iterable[TopicPartition], within_seconds: float = 10.0
    ) -> dict[TopicPartition, Place]:
        if self.places_fail:
            raise KafkaUnavailableError("no leader")
        return {at: Place(uuid.UUID(int=1), 0, 10, None) for at in partitions}

    def place(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]:
        await asyncio.sleep(0.001)
        found: dict[TopicPartition, list[IncomingRecord]] = {}
        for at, offset in self.positions.items():
            if not self.paused and (batch := self.logs[at][offset : offset + 4]):
                found[at] = batch
                self.positions[at] = offset + len(batch)
        return found

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    async def commit(self, offsets: Mapping[TopicPartition, int], within_seconds: float) -> bool:
        self.committed |= offsets
        return True


class FakeReaders:
    """Readers, of which the first ones cannot be started; the topics are there."""

    def __init__(self, *broken: KafkaError) -> None:
        self.broken = list(broken)
        self.made: list[tuple[FakeReader, bool]] = []

    @property
    def last(self) -> FakeReader:
        """The newest member."""
        return self.made[-1][0]

    def new(self, *, in_slot: bool) -> GroupReader:
        """The next member."""
        reader = FakeReader(self.broken.pop(0) if self.broken else None)
        self.made.append((reader, in_slot))
        return reader

    async def ensure(self) -> None:
        """Nothing is missing."""


class Seen:
    """A handler that notes what it is given."""

    def __init__(self) -> None:
        self.has_room = True
        self.offsets: dict[TopicPartition, list[int]] = {AT: [], OTHER: []}
        self.begun: list[Collection[TopicPartition]] = []
        self.left_out: set[TopicPartition] = set()
        self.failures = 0
        self.answer: Callable[[TopicPartition, int], int | None] = lambda at, offset: offset

    async def begin(self, places: Mapping[TopicPartition, Place]) -> Mapping[TopicPartition, int]:
        """At the log's start."""
        self.begun.append(sorted(places))
        return {at: place.log_start for at, place in places.items() if at not in self.left_out}

    async def handle(self, records: Records) -> Mapping[TopicPartition, int | None]:
        """Note them."""
        if self.failures and records:
            self.failures -= 1
            raise HandlerUnavailableError("its database is away")
        for at, batch in records.items():
            self.offsets[at] += [record.offset for record in batch]
        return {at: self.answer(at, batch[-1].offset + 1) for at, batch in records.items()}


@asynccontextmanager
async def running(readers: FakeReaders, handler: Seen) -> AsyncIterator[ConsumerGroup]:
    """The group's loop until the end of the block, however it ends."""
    stop, group = asyncio.Event(), ConsumerGroup("data-platform", readers, PlainValues(), handler, readers)
    task = asyncio.create_task(group.run(stop))
    try:
        yield group
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens every second happens all the time."""
    monkeypatch.setattr(loop, "_EVERY_SECONDS", 0.01)


def all_of(handler: Seen, *partitions: TopicPartition) -> Callable[[], bool]:
    """Whether everything has come, in order and once."""
    return lambda: all(handler.offsets[at] == list(range(10)) for at in partitions)


async def test_everything_is_handled_in_order_and_committed() -> None:
    """Also by the last commit, at the end."""
    readers, handler = FakeReaders(), Seen()
    async with running(readers, handler):
        await eventually(all_of(handler, AT, OTHER))
    assert readers.last.committed == {AT: 10, OTHER: 10}
    assert readers.last.is_stopped


async def test_what_the_handler_could_not_do_comes_again() -> None:
    """From the first record that it was given."""
    readers, handler = FakeReaders(), Seen()
    handler.failures = 2
    async with running(readers, handler) as group:
        await eventually(all_of(handler, AT, OTHER))
        assert group.rebuilds == {}


async def test_a_handler_without_room_is_given_nothing_and_membership_goes_on() -> None:
    """Until it has room again."""
    readers, handler = FakeReaders(), Seen()
    handler.has_room = False
    async with running(readers, handler) as group:
        before = group.last_round
        await eventually(lambda: readers.made and readers.last.paused and group.last_round > before)
        assert handler.offsets == {AT: [], OTHER: []}
        handler.has_room = True
        await eventually(all_of(handler, AT, OTHER))


async def test_a_partition_that_may_not_be_read_is_asked_for_again() -> None:
    """The other one goes on meanwhile."""
    readers, handler = FakeReaders(), Seen()
    handler.left_out = {OTHER}
    async with running(readers, handler):
        await eventually(all_of(handler, AT))
        await eventually(lambda: handler.begun.count([OTHER]) > 2)
        assert handler.offsets[OTHER] == []
        handler.left_out = set()
        await eventually(all_of(handler, OTHER))


async def test_a_moved_position_is_sought_and_a_lost_one_placed_anew() -> None:
    """What somebody else did to it while the handler had the records."""
    readers, handler = FakeReaders(), Seen()
    answers: dict[TopicPartition, list[Any]] = {AT: [6], OTHER: [None]}
    handler.answer = lambda at, offset: answers[at].pop() if answers[at] else offset
    async with running(readers, handler):
        await eventually(lambda: handler.offsets[AT] == [0, 1, 2, 3, 6, 7, 8, 9])
        await eventually(lambda: handler.begun.count([OTHER]) == 1)
        await eventually(lambda: handler.offsets[OTHER][-10:] == list(range(10)))


async def test_a_lost_reader_is_replaced_and_another_ones_slot_left_to_it() -> None:
    """After an outage in the same slot, after a conflict without one."""
    readers, handler = FakeReaders(KafkaUnavailableError("away"), InstanceIdInUseError("taken")), Seen()
    async with running(readers, handler) as group:
        await eventually(all_of(handler, AT, OTHER))
        assert [in_slot for _, in_slot in readers.made] == [True, True, False]
        assert all(reader.is_stopped for reader, _ in readers.made[:-1])
        assert group.rebuilds == {"kafka_unavailable": 1, "kafka_instance_id_in_use": 1}
        check, _values = group.checks()
        assert (await check.check()).status is Status.DEGRADED


async def test_places_that_no_broker_knows_end_no_session() -> None:
    """What is placed is read, the rest is asked for again."""
    readers, handler = FakeReaders(), Seen()
    async with running(readers, handler) as group:
        await eventually(all_of(handler, AT, OTHER))
        readers.last.places_fail = True
        del readers.last.positions[OTHER]
        readers.last.logs[AT] += [Sample().incoming(10)]
        await eventually(lambda: handler.offsets[AT][-1] == 10)
        readers.last.places_fail = False
        await eventually(lambda: handler.offsets[OTHER] == 2 * list(range(10)))
        assert group.rebuilds == {}


async def test_the_check_names_the_partition_that_stands_and_where() -> None:
    """The others go on, and so does the process; it is not ready."""
    readers, handler = FakeReaders(), Seen()
    group = ConsumerGroup("data-platform", readers, PlainValues(), handler, readers)
    check, _values = group.checks()
    assert check.name == "consumer_data_platform"
    assert (await check.check()).status is Status.UNREADY
    async with running(readers, handler) as group:
        await eventually(all_of(handler, AT, OTHER))
        check, _values = group.checks()
        assert (await check.check()).status is Status.OK
        readers.last.damaged = {OTHER: OffsetOutOfRangeError(OTHER, 7)}
        result = await check.check()
        assert result.status is Status.UNREADY
        assert "offset 7 is outside the log of partition 1" in result.detail
