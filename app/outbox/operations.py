"""Outbox: what an operator does about events: send them again, or give up those that Kafka refused."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, and_, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.outbox.recorder import SqlOutbox
from app.outbox.table import EVENT_ID, UNPUBLISHED, outbox_audit, outbox_event
from contracts.envelope import EventMessage
from contracts.order_events import AGGREGATE_TYPE, message_of, skipped_event
from kits.ordered_queue.actions import MAX_ROWS, Actions
from kits.ordered_queue.sql_store import Enqueue
from kits.outbox.operating import outages_told, portions
from kits.postgres.driver import DriverConnection, DriverStatement, driver_transaction
from kits.postgres.schema import as_document, insert_from_document

_row = outbox_event.c
_DEAD = (UNPUBLISHED, _row.dead_at.is_not(None))
_CHOSEN = _row.event_id == func.any(bindparam("event_ids", type_=ARRAY(EVENT_ID)))
_LISTED = select(
    _row.event_id,
    _row.aggregate_id,
    _row.seq,
    _row.event_type,
    _row.attempts,
    _row.last_error,
    _row.occurred_at,
    _row.dead_at,
).where(*_DEAD)
_PLACE = (_row.event_id, _row.aggregate_id, _row.seq, _row.topic)
# Sorted, as everywhere: two commands on the same rows wait for each other instead of locking each other out.
_LOCK = DriverStatement(
    select(*_PLACE).where(*_DEAD, _CHOSEN).order_by(_row.event_id).with_for_update(of=outbox_event)
)
_ABANDON = DriverStatement(
    update(outbox_event)
    .where(*_DEAD, _CHOSEN)
    .values(abandoned_at=func.clock_timestamp())
    .returning(_row.event_id)
)
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
_NOTE = DriverStatement(
    insert_from_document(outbox_audit, "id", "actor", "action", "event_id", "order_id", "seq", "reason")
)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that Kafka refused by itself; the later ones of its order wait behind it."""

    event_id: str
    order_id: str
    seq: int
    event_type: str
    attempts: int
    error: str | None
    occurred_at: datetime
    dead_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Which published events: of an order, published since a moment, or in a part of a partition."""

    order_id: str | None = None
    since: datetime | None = None
    partition: int | None = None
    first_offset: int = 0
    last_offset: int = 0

    def looked_at(self, after: str) -> Select[Any]:
        """The next rows in the order of their ids, each with whether it is one of these."""
        fits: list[ColumnElement[bool]] = [_row.published_at.is_not(None), _row.abandoned_at.is_(None)]
        if self.since is not None:
            fits.append(_row.published_at >= self.since)
        if self.partition is not None:
            fits += [_row.partition == self.partition]
            fits += [_row.offset.between(self.first_offset, self.last_offset)]
        looked = select(*_PLACE, and_(*fits).label("fits")).where(_row.event_id > after)
        if self.order_id is not None:
            looked = looked.where(_row.aggregate_type == AGGREGATE_TYPE, _row.aggregate_id == self.order_id)
        return looked.order_by(_row.event_id).limit(MAX_ROWS)


class OutboxOperations:
    """State changes, audited in their transactions; the running processes do the rest.

    Safe twice, cut off in the middle, and beside any number of processes. At most 1,000 rows a transaction.
    """

    def __init__(
        self, engine: AsyncEngine, enqueue: Enqueue, actions: Actions, new_id: Callable[[], str]
    ) -> None:
        self._engine = engine
        self._enqueue = enqueue
        self._actions = actions
        self._new_id = new_id

    async def dead(self, *, order_id: str | None = None, event_id: str | None = None) -> list[DeadEvent]:
        """All dead events, or those of this order and this id, oldest first."""
        query = _LISTED.order_by(_row.event_id)
        if order_id is not None:
            query = query.where(_row.aggregate_id == order_id)
        if event_id is not None:
            query = query.where(_row.event_id == event_id)
        with outages_told():
            async with self._engine.connect() as connection:
                return [DeadEvent(*row) for row in await connection.execute(query)]

    async def retry(self, event_ids: Sequence[str], *, actor: str, reason: str) -> int:
        """Let dead events be sent again; returns how many were dead until now."""
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    rows = await self._locked(connection, some)
                    await self._actions.redrive(connection, [str(row["event_id"]) for row in rows])
                    await self._note(connection, rows, actor, "retry", reason)
                    count += len(rows)
        return count

    async def abandon(self, event_ids: Sequence[str], *, actor: str, reason: str) -> int:
        """Give dead events up; returns how many. `order.event_skipped` takes the place of each, at its seq.

        So no reader ever sees a gap, and the later events of the order go on behind it.
        """
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    rows = await self._locked(connection, some)
                    await connection.fetch(_ABANDON, {"event_ids": [str(row["event_id"]) for row in rows]})
                    notices = [self._notice(row, reason) for row in rows]
                    await SqlOutbox(connection, self._enqueue).add(notices, claimed=False)
                    await self._note(connection, rows, actor, "abandon", reason)
                    count += len(rows)
        return count

    async def count(self, chosen: Published) -> int:
        """How many published events these are."""
        return sum([len(rows) async for rows in self._looks(chosen)])

    async def republish(self, chosen: Published, *, actor: str, reason: str) -> int:
        """Let published events be sent once more, those of an order in their order; returns how many.

        They keep their ids and numbers: a reader that knows them drops them.
        """
        count = 0
        async for rows in self._looks(chosen):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    ids = [str(row["event_id"]) for row in rows]
                    changed = set((await self._actions.replay(connection, ids)).changed)
                    again = [row for row in rows if str(row["event_id"]) in changed]
                    await self._note(connection, again, actor, "republish", reason)
                    count += len(again)
        return count

    async def _looks(self, chosen: Published) -> AsyncIterator[Sequence[Any]]:
        after = _FIRST_ID
        while True:
            with outages_told():
                async with self._engine.connect() as connection:
                    looked = (await connection.execute(chosen.looked_at(after))).mappings().all()
            if rows := [row for row in looked if row["fits"]]:
                yield rows
            if len(looked) < MAX_ROWS:
                return
            after = str(looked[-1]["event_id"])

    async def _locked(self, connection: DriverConnection, event_ids: Sequence[str]) -> Sequence[Any]:
        return await connection.fetch(_LOCK, {"event_ids": sorted(event_ids)})

    async def _note(
        self, connection: DriverConnection, rows: Sequence[Any], actor: str, action: str, reason: str
    ) -> None:
        noted = [
            {
                "id": self._new_id(),
                "actor": actor,
                "action": action,
                "event_id": row["event_id"],
                "order_id": row["aggregate_id"],
                "seq": row["seq"],
                "reason": reason,
            }
            for row in rows
        ]
        await connection.fetch(_NOTE, as_document(noted))

    def _notice(self, row: Mapping[str, Any], reason: str) -> EventMessage:
        now = datetime.now(UTC)
        notice = skipped_event(
            event_id=self._new_id(),
            order_id=row["aggregate_id"],
            seq=row["seq"],
            skipped_event_id=str(row["event_id"]),
            reason=reason,
            now=now,
        )
        return message_of(notice, topic=row["topic"], occurred_at=now)
