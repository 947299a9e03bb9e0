"""Inbox, receiving: a transaction per partition stores what was read of it and moves its position."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.driver import driver_transaction
from kits.postgres.outages import is_outage, sentence, warn_once
from worker.handler import HandlerUnavailableError, Records
from worker.inbox.arrivals import Arrivals, Stored
from worker.inbox.item import InboxItem
from worker.inbox.metrics import InboxMetrics
from worker.inbox.positions import Move, Position, Positions
from worker.inbox.records import Arrived, Unreadable, item_of, read_record

log = get_logger(__name__)

_PORTION_BYTES = 2_000_000
_AT_ONCE = 3
"""Partitions that are stored side by side: while the database works for one, the next is read."""
_MIGRATE_COMMAND = "python -m worker migrate"


class ClaimTaker(Protocol):
    """What the receiver needs of kits.ordered_queue.queue.OrderedQueue."""

    @property
    def is_full(self) -> bool: ...
    def accepts(self) -> bool: ...
    def offer(self, claims: Iterable[Claim]) -> None: ...


class InboxReceiver:
    """Puts a group's records into its inbox, whatever they are, and hands the claims to the queue.

    A record is stored in the transaction that moves its partition's position, and only if nobody else has
    moved that meanwhile: so nothing is passed over, and what comes again is known by its id. Partitions are
    stored side by side, each in its order.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        group: str,
        enqueue: Enqueue,
        queue: ClaimTaker,
        positions: Positions,
        metrics: InboxMetrics,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._positions = positions
        self._arrivals = Arrivals(engine, group, enqueue)
        self._repeats = metrics.repeats.labels(group)
        self._conflicts = metrics.conflicts.labels(group)
        self._logs_each = log.is_enabled_for(logging.DEBUG)
        self._placed: dict[TopicPartition, Position] = {}
        self.unplaced: dict[TopicPartition, str] = {}
        """Partitions of which nothing may be read, and the sentence that says why and what mends it."""

    @property
    def has_room(self) -> bool:
        """False while more waits in the table than fits into memory."""
        return not self._queue.is_full

    async def begin(self, places: Mapping[TopicPartition, Place]) -> Mapping[TopicPartition, int]:
        """See Handler. A partition whose log has lost what was not read stays out: see `unplaced`."""
        with _told():
            opened = await self._positions.open(places)
        starts: dict[TopicPartition, int] = {}
        for at, one in opened.items():
            known = self.unplaced.pop(at, "")
            self._placed.pop(at, None)
            if one.warning:
                log.warning(
                    "position_rewound", **_named(at), reason=one.warning, action="none: nothing is lost"
                )
            if one.standing:
                self.unplaced[at] = one.standing
                if known != one.standing:
                    log.error("partition_stands", **_named(at), reason=one.standing, action="do what it says")
            else:
                self._placed[at] = one.position
                starts[at] = one.position.next_offset
        return starts

    async def handle(self, records: Records) -> Mapping[TopicPartition, int | None]:
        """See Handler. Without records the positions are compared with the table's."""
        if not records:
            with _told():
                return self._adopt(await self._positions.known(), self._placed)
        placed = [at for at in records if at in self._placed]
        refused: set[TopicPartition] = set()
        for first in range(0, len(placed), _AT_ONCE):
            if first and not self.has_room:
                # What is left stays in the topic.
                break
            refused |= await self._store_side_by_side(
                {at: records[at] for at in placed[first : first + _AT_ONCE]}
            )
        answer: dict[TopicPartition, int | None] = dict.fromkeys(records)
        answer |= {at: self._placed[at].next_offset for at in records if at in self._placed}
        if refused:
            with _told():
                answer |= dict.fromkeys(refused) | self._adopt(await self._positions.known(), refused)
        return answer

    async def _store_side_by_side(self, records: Records) -> set[TopicPartition]:
        """The partitions that do not stand any more where they were read from."""
        stored = await asyncio.gather(
            *(self._store_all(at, batch) for at, batch in records.items()), return_exceptions=True
        )
        for error in stored:
            # Not before all have ended: none may go on beside the next poll.
            if isinstance(error, BaseException):
                raise error
        return {at for at, is_stored in zip(records, stored, strict=True) if not is_stored}

    async def _store_all(self, at: TopicPartition, batch: Sequence[IncomingRecord]) -> bool:
        for portion in _portions(batch):
            if not await self._store(at, portion):
                return False
        return True

    async def _store(self, at: TopicPartition, batch: Sequence[IncomingRecord]) -> bool:
        """One transaction. False: the partition stands elsewhere by now, and nothing was kept."""
        position = self._placed[at]
        move = self._move(at, position, batch)
        with _told():
            async with driver_transaction(self._engine) as connection:
                if not await self._positions.move(connection, move):
                    return False
                events, unreadable = _read(batch, position)
                late = [row.id for row, _ in events] if position.first_offset > 0 else ()
                stored = await self._arrivals.store(
                    connection, events, unreadable, late=late, claimed=self._queue.accepts()
                )
        self._placed[at] = Position(move.topic_id, move.next_offset, position.first_offset)
        self._queue.offer(sorted(stored.claims, key=lambda claim: (claim.item.key, claim.item.number)))
        self._count(stored, events, unreadable)
        return True

    def _move(self, at: TopicPartition, position: Position, batch: Sequence[IncomingRecord]) -> Move:
        assert position.topic_id is not None  # noqa: S101 - what is placed has the id of its place
        end = max(position.next_offset, batch[-1].offset + 1)
        return Move(at.topic, at.partition, position.topic_id, position.next_offset, end)

    def _adopt(
        self, known: Mapping[TopicPartition, Position], asked: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """Where somebody else has moved them: an operator, another worker, a restored database."""
        moved: dict[TopicPartition, int | None] = {}
        for at in list(asked):
            stands, ours = known.get(at), self._placed[at]
            if stands == ours:
                continue
            moved[at] = None if stands is None or stands.topic_id != ours.topic_id else stands.next_offset
            if stands is None or moved[at] is None:
                del self._placed[at]
            else:
                self._placed[at] = stands
            log.info("position_moved_elsewhere", **_named(at), ours=ours.next_offset, now=moved[at])
        return moved

    def _count(
        self, stored: Stored, events: Sequence[tuple[Arrived, InboxItem]], unreadable: Sequence[Unreadable]
    ) -> None:
        for row, _ in events if self._logs_each else ():
            log.debug("event_received", **_event(row, row.id, row.key, row.number))
        self._repeats.inc(stored.repeats)
        self._conflicts.inc(len(stored.conflicts))
        for lost in unreadable:
            if lost.event_id in stored.unreadable:
                names = _event(lost, lost.event_id, lost.order_id, lost.seq)
                action = "`python -m worker dlq show` has its bytes; see the runbook"
                log.warning("event_unreadable", **names, code=lost.code, reason=lost.message, action=action)
        for row, _ in events if stored.conflicts or stored.healed else ():
            names = _event(row, row.id, row.key, row.number)
            if row.id in stored.conflicts:
                action = "ask its writer: it is kept, given up, and never sent"
                log.warning("number_conflict", **names, action=action)
            if row.id in stored.healed:
                log.info("event_healed", **names)


def _portions(batch: Sequence[IncomingRecord]) -> Iterator[Sequence[IncomingRecord]]:
    """What one transaction can store well within its bounds: so many bytes, or one record."""
    first, size = 0, 0
    for at, record in enumerate(batch):
        length = len(record.value or b"")
        if at > first and size + length > _PORTION_BYTES:
            yield batch[first:at]
            first, size = at, 0
        size += length
    yield batch[first:]


def _read(
    batch: Sequence[IncomingRecord], position: Position
) -> tuple[list[tuple[Arrived, InboxItem]], list[Unreadable]]:
    topic_id = str(position.topic_id)
    events: list[tuple[Arrived, InboxItem]] = []
    unreadable: list[Unreadable] = []
    for record in batch:
        if record.offset < position.next_offset:
            continue
        row = read_record(record, topic_id)
        if isinstance(row, Arrived):
            events.append((row, item_of(row, record)))
        else:
            unreadable.append(row)
    return events, unreadable


def _event(row: Arrived | Unreadable, event_id: str, order_id: str | None, seq: int | None) -> dict[str, Any]:
    place = {"topic": row.topic, "partition": row.partition, "offset": row.offset}
    return {"event_id": event_id, "order_id": order_id, "seq": seq, **place}


def _named(at: TopicPartition) -> dict[str, Any]:
    return {"topic": at.topic, "partition": at.partition}


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        warn_once(error)
        raise HandlerUnavailableError(sentence(error, migrate_command=_MIGRATE_COMMAND)) from error
