"""Request-reply, in flight: what is being handled, in the order of each key, and what is done."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.logs import get_logger

log = get_logger(__name__)
Key = tuple[str, bytes]
_AT_ONCE = 32
_CUT_OFF_SECONDS = 1.0


class Dispatcher(Protocol):
    """What is done with one record."""

    async def handle(self, record: IncomingRecord) -> None:
        """Return when it may be counted as done. Raises nothing."""
        ...


class PartitionProgress:
    """One partition since it was placed: which offsets are open, and where reading goes on."""

    def __init__(self, offset: int) -> None:
        self.next = offset
        # In the order of their offsets, so that the first one is the lowest.
        self._open: dict[int, None] = {}

    @property
    def done_before(self) -> int:
        """All offsets below are done: what may be committed."""
        return next(iter(self._open), self.next)

    def begin(self, offset: int) -> None:
        """A record was read."""
        self._open[offset] = None
        self.next = offset + 1

    def end(self, offset: int) -> None:
        """It is done."""
        self._open.pop(offset, None)


class InFlight:
    """Handles records side by side, those of one key one after the other; bounded in number."""

    def __init__(self, dispatcher: Dispatcher, *, max_records: int) -> None:
        self._dispatcher = dispatcher
        self._max_records = max_records
        self._progress: dict[TopicPartition, PartitionProgress] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_of_key: dict[Key, asyncio.Task[None]] = {}
        self.room = asyncio.Event()
        """Set while more may be read."""
        self.room.set()

    def __len__(self) -> int:
        return len(self._tasks)

    def place(self, at: TopicPartition, offset: int) -> None:
        """A partition begins (again) here; what of it is under way goes on and counts for nothing."""
        self._progress[at] = PartitionProgress(offset)

    async def add(self, records: Iterable[IncomingRecord]) -> None:
        """Begin with these, of one partition, in order."""
        for place, record in enumerate(records, 1):
            progress = self._progress[record.topic_partition]
            progress.begin(record.offset)
            key = None if record.key is None else (record.topic, record.key)
            before = None if key is None else self._last_of_key.get(key)
            task = asyncio.create_task(self._run(record, progress, before), name=f"rpc-{record.topic}")
            self._tasks.add(task)
            task.add_done_callback(self._note_end)
            if key is not None:
                self._last_of_key[key] = task
            if place % _AT_ONCE == 0:
                # The first ones are answered while the others begin.
                await asyncio.sleep(0)
        self._note_room()

    def done_before(self, besides: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Per partition what may be committed, besides those that have no place now."""
        left_out = frozenset(besides)
        return {at: each.done_before for at, each in self._progress.items() if at not in left_out}

    async def drained(self, within_seconds: float) -> bool:
        """Wait for the end of all that is under way; whether it came in time."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_seconds)
        return not self._tasks

    async def stop(self) -> None:
        """Cut off what is still under way, within a second: its offsets are not done."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        _, stuck = await asyncio.wait(tasks, timeout=_CUT_OFF_SECONDS) if tasks else ((), ())
        if stuck:
            action = "let these handlers end when they are cancelled; until then they take room"
            names = sorted({each.get_name() for each in stuck})
            log.error("rpc_handlers_stuck", handlers=names, action=action)

    async def _run(
        self, record: IncomingRecord, progress: PartitionProgress, before: "asyncio.Task[None] | None"
    ) -> None:
        try:
            if before is not None and not before.done():
                await asyncio.wait({before})
            await self._dispatcher.handle(record)
            progress.end(record.offset)
        finally:
            key = (record.topic, record.key or b"")
            if self._last_of_key.get(key) is asyncio.current_task():
                del self._last_of_key[key]

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._note_room()

    def _note_room(self) -> None:
        if len(self._tasks) < self._max_records:
            self.room.set()
        else:
            self.room.clear()
