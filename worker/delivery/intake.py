"""Delivery: from the topic into the lanes, bounded in records and bytes, polling without an end."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kits.kafka.errors import OffsetMissingError, PartitionError, StaleAssignmentError
from kits.kafka.records import IncomingRecord, TopicPartition
from worker.delivery.epoch import Epoch
from worker.delivery.event import Event, read_event
from worker.delivery.lanes import Lane, Lanes
from worker.delivery.offsets import OffsetTracker, PartitionOffsets
from worker.delivery.openings import OFFSETS_MISSING, Opening, Openings
from worker.delivery.ports import Ledger, LedgerUnavailableError, Observer, Partitions, Source
from worker.delivery.recorder import RETRY
from worker.delivery.seq import OrderState

OUT_OF_RANGE = "offsets_out_of_range"
_STRETCH = 200
"""Records that are read at a stretch; then the calls in flight have their turn (some 3 ms)."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Per partition: unfinished records and their bytes, over which it is paused; and one poll's size."""

    records: int = 5_000
    bytes: int = 16_000_000
    poll_records: int = 1_000
    poll_ms: int = 200

    def is_full(self, offsets: PartitionOffsets) -> bool:
        """Over the limit: pause."""
        return offsets.unfinished >= self.records or offsets.unfinished_bytes >= self.bytes

    def has_room(self, offsets: PartitionOffsets) -> bool:
        """Half empty again: resume. Pausing drops what the client has fetched, so not at every record."""
        return offsets.unfinished <= self.records // 2 and offsets.unfinished_bytes <= self.bytes // 2


class Intake:
    """Opens partitions, polls, and asks the ledger about new lanes: one read per poll."""

    def __init__(
        self,
        *,
        source: Source,
        ledger: Ledger,
        openings: Openings,
        lanes: Lanes,
        epoch: Epoch,
        tracker: OffsetTracker,
        observer: Observer,
        limits: IntakeLimits,
        rng: random.Random,
        must_wait: Callable[[], bool],
        on_lanes: Callable[[Sequence[Lane]], None],
        on_finished: Callable[[Event], None],
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._openings = openings
        self._lanes = lanes
        self._tracker = tracker
        self._observer = observer
        self._limits = limits
        self._rng = rng
        self._must_wait = must_wait
        self._on_lanes = on_lanes
        self._on_finished = on_finished
        self._epoch = epoch
        self._to_open: Partitions = frozenset()
        self._baseline: dict[TopicPartition, bool] = {}
        self._new_lanes: dict[Lane, list[Event]] = {}
        self._paused: set[TopicPartition] = set()
        self._failures = 0
        self._again_at = 0.0
        self.stopped: dict[TopicPartition, str] = {}
        """Partitions that stand still until an operator decides, and why."""

    @property
    def open_partitions(self) -> Partitions:
        """The partitions that are being read."""
        return frozenset(self._baseline)

    def assign(self, partitions: Partitions) -> None:
        """Begin with these partitions; nothing of them is read before it is known where they begin."""
        self._to_open = partitions
        self._source.pause(partitions)

    def close(self) -> None:
        """Take no record more: the epoch ends."""
        self._to_open = frozenset()
        self._baseline.clear()
        self._new_lanes.clear()
        self._paused.clear()
        self.stopped.clear()

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: the source is of no further use.
        """
        while True:
            await self._ask_ledger()
            self._apply_limits()
            await self._take(await self._poll())

    async def _ask_ledger(self) -> None:
        """Open partitions and look new lanes up; while the ledger is away, polling goes on, empty."""
        now = asyncio.get_running_loop().time()
        if now < self._again_at or not (self._to_open or self._new_lanes):
            return
        try:
            await self._open()
            await self._look_up()
        except LedgerUnavailableError as error:
            wait = RETRY.wait_seconds(self._failures, self._rng)
            self._failures += 1
            self._again_at = now + wait
            self._observer.waiting_for("ledger", error, wait_seconds=wait)
        else:
            if self._failures:
                self._failures = 0
                self._observer.back("ledger")

    async def _open(self) -> None:
        partitions, epoch = self._to_open, self._epoch.number
        if not partitions:
            return
        try:
            openings = await self._openings.of(partitions, epoch=epoch)
            if epoch == self._epoch.number and partitions == self._to_open:
                self._begin(openings)
        except StaleAssignmentError:
            return

    def _begin(self, openings: Mapping[TopicPartition, Opening | None]) -> None:
        self._to_open = frozenset()
        for partition, opening in openings.items():
            if opening is None:
                self.stopped[partition] = OFFSETS_MISSING
                # It stays paused, so nothing is read there: a position merely ends the client's complaints.
                self._source.seek(partition, 0)
                continue
            self._source.seek(partition, opening.next_offset)
            self._tracker.open(partition, opening.next_offset)
            self._baseline[partition] = opening.baseline
            self._source.resume([partition])

    def _apply_limits(self) -> None:
        waiting = bool(self._new_lanes) or self._must_wait()
        for partition, offsets in self._tracker.partitions.items():
            if partition in self._paused:
                if not waiting and self._limits.has_room(offsets):
                    self._paused.discard(partition)
                    self._source.resume([partition])
            elif waiting or self._limits.is_full(offsets):
                self._paused.add(partition)
                self._source.pause([partition])

    async def _poll(self) -> Mapping[TopicPartition, Sequence[IncomingRecord]]:
        limits = self._limits
        try:
            return await self._source.poll(timeout_ms=limits.poll_ms, max_records=limits.poll_records)
        except PartitionError as error:
            self._stand(error)
            # It is raised again at once as long as the partition stands.
            await asyncio.sleep(limits.poll_ms / 1000)
            return {}

    def _stand(self, error: PartitionError) -> None:
        at = error.topic_partition
        if isinstance(error, OffsetMissingError) or at not in self._baseline or at in self.stopped:
            # A missing offset is judged when the partition is opened.
            return
        self.stopped[at] = OUT_OF_RANGE
        self._paused.add(at)
        self._source.pause([at])
        self._observer.partition_stopped(at, OUT_OF_RANGE)

    async def _take(self, batches: Mapping[TopicPartition, Sequence[IncomingRecord]]) -> None:
        for partition, records in batches.items():
            for begin in range(0, len(records), _STRETCH):
                self._take_stretch(partition, records[begin : begin + _STRETCH])
                await asyncio.sleep(0)

    def _take_stretch(self, partition: TopicPartition, records: Sequence[IncomingRecord]) -> None:
        baseline, offsets = self._baseline.get(partition), self._tracker.partitions.get(partition)
        # Before its opening nothing of a partition counts: the opening seeks, so it comes again. So does what
        # is left of a poll when the assignment ends between two stretches, here or elsewhere.
        if baseline is None or offsets is None:
            return
        touched: dict[Lane, None] = {}
        for record in records:
            if offsets.received(record.offset, len(record.value or b"")):
                event = read_event(record, epoch=self._epoch.number)
                self._observer.received(event)
                self.push(event, touched, baseline=baseline)
        self._on_lanes(list(touched))

    def push(self, event: Event, touched: dict[Lane, None], *, baseline: bool) -> None:
        """Put an event into its lane; a lane whose order is not known yet is asked for at the next turn."""
        lane = self._lanes.of(event)
        if not lane.push(event):
            return
        if lane.state is None:
            lane.baseline = lane.baseline or baseline
            self._new_lanes.setdefault(lane, []).append(event)
        else:
            touched[lane] = None

    async def _look_up(self) -> None:
        if not self._new_lanes:
            return
        asked = dict(self._new_lanes)
        order_ids = {lane.key for lane in asked if isinstance(lane.key, str)}
        event_ids = {e.event_id for events in asked.values() for e in events if not e.from_ledger}
        known = await self._ledger.look_up(order_ids, event_ids)
        for lane in asked:
            self._new_lanes.pop(lane, None)
            state = known.orders.get(lane.key) if isinstance(lane.key, str) else None
            lane.adopt(state or OrderState())
            for event in lane.drop(known.event_ids):
                self._observer.suppressed(event)
                self._on_finished(event)
        self._on_lanes(list(asked))
