"""Table, follower: reads the topic of one build into the table, from where the table says."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from contracts.envelope import UnreadableEventError
from contracts.sales import SalesOfMinuteV1, read_sales
from kits.kafka.errors import KafkaError, PartitionError
from kits.kafka.log_reader import LogReader
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.resilience.retry import Backoff
from services.sales.builds import Build
from services.sales.metrics import TableMetrics
from services.sales.table.storage_errors import StorageError
from services.sales.table.store import Position, SalesStore

log = get_logger(__name__)

_RECORDS = 5_000
_IDLE_SECONDS = 0.2
_BOUNDS_SECONDS = 1.0
_AGAIN = Backoff(base_seconds=0.5, cap_seconds=5.0)


class Follower:
    """Without a group: the place stands beside the rows, in their transaction. Several may follow a build."""

    def __init__(self, build: Build, reader: LogReader, store: SalesStore, metrics: TableMetrics) -> None:
        self.build = build
        self.lag: int | None = None
        """What the topic holds and the table does not (markers included); None: not known (now)."""
        self.trouble = "It has not read anything yet."
        """Why it does not get on; empty while it does."""
        self.places: dict[int, Position] = {}
        """Where it reads next, by partition; what is before stands in the table."""
        self._reader = reader
        self._store = store
        self._metrics = metrics
        self._repeats = Repeats(every_seconds=60.0)

    async def run(self) -> None:
        """Follow until cancelled, whatever Kafka and the database do."""
        failures = 0
        while True:
            try:
                async with self._reader as reader:
                    while True:
                        await self._round(reader)
                        failures = 0
            except (KafkaError, StorageError) as error:
                self.lag, self.trouble = None, str(error)
                wait = _AGAIN.wait_seconds(failures)
                failures += 1
                if count := self._repeats.due(error.code):
                    log.warning(
                        "sales_not_followed", build=self.build.name, code=error.code, reason=str(error),
                        count=count, action="none if the stream has not begun yet; else see /readyz",
                    )  # fmt: skip
                await asyncio.sleep(wait)

    async def _round(self, reader: LogReader) -> None:
        """Everything that is there now; then a rest."""
        topic = self.build.sales
        bounds = await reader.bounds(topic)
        topic_id = (await reader.topic_ids(topic))[topic]
        known = await self._store.positions(self.build.name)
        for at, (start, end) in bounds.items():
            place = known.get(at.partition)
            is_good = place is not None and place.topic_id == topic_id and start <= place.next_offset <= end
            offset = place.next_offset if place is not None and is_good else start
            self.places[at.partition] = Position(topic_id, offset)
        ends = {at: end for at, (_, end) in bounds.items()}
        loop = asyncio.get_running_loop()
        again_at = loop.time() + _BOUNDS_SECONDS
        while loop.time() < again_at:
            count, stands = 0, ""
            for at in ends:
                try:
                    count += await self._piece(reader, at, topic_id)
                except PartitionError as error:
                    # What a partition holds is its own trouble: the others go on.
                    stands = str(error)
            self.trouble = stands
            behind = {at: end - self.places[at.partition].next_offset for at, end in ends.items()}
            self.lag = sum(max(0, each) for each in behind.values())
            self._metrics.show_lag(self.build.name, self.lag)
            if not count:
                await asyncio.sleep(_IDLE_SECONDS)

    async def _piece(self, reader: LogReader, at: TopicPartition, topic_id: UUID) -> int:
        offset = self.places[at.partition].next_offset
        piece = await reader.piece(at, offset, _RECORDS)
        if piece.next_offset == offset:
            return 0
        place = Position(topic_id, piece.next_offset)
        await self._store.write(self.build.name, self._newest(piece.records), {at.partition: place})
        self.places[at.partition] = place
        return len(piece.records)

    def _newest(self, records: Iterable[IncomingRecord]) -> Iterable[SalesOfMinuteV1]:
        newest: dict[str, SalesOfMinuteV1] = {}
        for record in records:
            try:
                sales = read_sales(record.key, record.value)
            except UnreadableEventError as error:
                self._metrics.left_out.inc()
                if count := self._repeats.due("left_out"):
                    log.warning(
                        "record_left_out", topic=record.topic, partition=record.partition,
                        offset=record.offset, reason=str(error), count=count,
                        action="look at who writes to the topic",
                    )  # fmt: skip
                continue
            known = newest.get(sales.key)
            if known is None or sales.orders > known.orders:
                newest[sales.key] = sales
        return newest.values()
