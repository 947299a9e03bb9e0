"""Ledger: leases on stuck orders, how they stand, and the decisions that operators make about them."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ARRAY,
    Double,
    Integer,
    Row,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.kafka.records import IncomingRecord
from kits.postgres.driver import beneath
from worker.delivery.event import Event, failure, read_event
from worker.delivery.stuck import (
    LEASE_SECONDS,
    Case,
    GivingUp,
    Head,
    Lease,
    Note,
    OpenEvent,
    Standing,
    StuckEvent,
    Wanted,
)
from worker.delivery.verdicts import Status
from worker.ledger.blocked_orders import refresh_orders
from worker.ledger.errors import ledger_errors
from worker.ledger.rows import decode_headers
from worker.ledger.stuck_events import chosen_cases, listed_events
from worker.ledger.tables import OPEN_STATUS, delivery, delivery_audit, delivery_order

_order = delivery_order.c
_row = delivery.c
_token = bindparam("token", type_=Uuid(as_uuid=False))
_THIS_ORDER = (
    _order.consumer_group == bindparam("of_group", type_=Text),
    _order.order_id == bindparam("of_order", type_=Text),
)
_until = func.clock_timestamp() + func.make_interval(
    0, 0, 0, 0, 0, 0, bindparam("lease_seconds", type_=Double)
)
_TAKE = (
    update(delivery_order)
    .where(*_THIS_ORDER, or_(_order.lease_until.is_(None), _order.lease_until < func.clock_timestamp()))
    .values(lease_token=_token, lease_until=_until)
    .returning(_order.order_id)
)
_RENEW = (
    update(delivery_order)
    .where(*_THIS_ORDER, _order.lease_token == _token)
    .values(lease_until=_until)
    .returning(_order.order_id)
)
_RELEASE = (
    update(delivery_order)
    .where(*_THIS_ORDER, _order.lease_token == _token)
    .values(lease_token=null(), lease_until=null())
)
_NOTE = insert(delivery_audit)

_OPEN = (
    _row.consumer_group == bindparam("of_group", type_=Text),
    OPEN_STATUS,
)
_OF_ORDER = (*_OPEN, _row.order_id == bindparam("of_order", type_=Text))
_OF_EVENT = (*_OPEN, _row.order_id.is_(None), _row.event_id == bindparam("of_event", type_=Text))
_BY_NUMBER = (_row.seq.asc().nulls_first(), _row.event_id)
_LAST_SEQ = select(_order.last_seq).where(*_THIS_ORDER)
_GIVE_UP = (
    update(delivery)
    .where(*_OPEN, _row.event_id == func.any(bindparam("event_ids", type_=ARRAY(Text))))
    .values(
        status=bindparam("new_status", type_=Text),
        key=null(),
        payload=null(),
        headers=null(),
        updated_at=func.clock_timestamp(),
    )
)
_MOVE_ON = (
    update(delivery_order)
    .where(*_THIS_ORDER)
    .values(last_seq=func.greatest(_order.last_seq, bindparam("new_last_seq", type_=Integer)))
)


class SqlStuckOrders:
    """The stuck orders of one consumer group in PostgreSQL (worker.delivery.stuck.StuckOrders).

    Locks are taken as everywhere in the ledger: the order's row first, then rows of `delivery`.
    """

    def __init__(self, engine: AsyncEngine, *, group: str) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._group = group

    async def listed(self, wanted: Wanted) -> list[StuckEvent]:
        """See the port."""
        with ledger_errors():
            async with self._reading.connect() as connection:
                return await listed_events(connection, self._group, wanted)

    async def cases(self, wanted: Wanted) -> list[Case]:
        """See the port."""
        with ledger_errors():
            async with self._reading.connect() as connection:
                return await chosen_cases(connection, self._group, wanted)

    async def take(self, case: Case, note: Note | None) -> Lease | None:
        """See the port. A single event without an order needs none: nothing else can touch it."""
        lease = Lease(case, str(uuid4()))
        with ledger_errors():
            async with self._engine.begin() as connection:
                if case.order_id is not None and not await self._holds(connection, _TAKE, lease):
                    return None
                if note is not None:
                    await connection.execute(_NOTE, self._noted(case, note))
        return lease

    async def renew(self, lease: Lease) -> bool:
        """See the port."""
        if lease.case.order_id is None:
            return True
        with ledger_errors():
            async with self._engine.begin() as connection:
                return await self._holds(connection, _RENEW, lease)

    async def release(self, lease: Lease) -> None:
        """See the port."""
        with ledger_errors():
            async with self._engine.begin() as connection:
                await connection.execute(_RELEASE, {**self._order(lease.case), "token": lease.token})

    async def standing(self, case: Case) -> Standing:
        """See the port."""
        query = select(_row.event_id, _row.seq, _row.status).where(*_where(case)).order_by(*_BY_NUMBER)
        with ledger_errors():
            async with self._reading.connect() as connection:
                rows = (await connection.execute(query, self._open(case))).all()
                last_seq = await self._last_seq(connection, case)
        return Standing(last_seq, tuple(OpenEvent(*row) for row in rows), case.order_id is not None)

    async def head(self, case: Case) -> Head | None:
        """See the port."""
        query = select(delivery).where(*_where(case)).order_by(*_BY_NUMBER).limit(1)
        with ledger_errors():
            async with self._reading.connect() as connection:
                last_seq = await self._last_seq(connection, case)
                row = (await connection.execute(query, self._open(case))).first()
        return Head(last_seq, _event_of(row), row.status == Status.DEAD) if row else None

    async def give_up(self, lease: Lease, decision: GivingUp, note: Note) -> bool:
        """See the port."""
        case = lease.case
        with ledger_errors():
            async with self._engine.begin() as connection:
                if case.order_id is not None and not await self._holds(connection, _RENEW, lease):
                    return False
                values = {"event_ids": sorted(decision.event_ids), "new_status": decision.status.value}
                await connection.execute(_GIVE_UP, {"of_group": self._group, **values})
                if case.order_id is not None:
                    moved = {**self._order(case), "new_last_seq": decision.last_seq}
                    await connection.execute(_MOVE_ON, moved)
                    await refresh_orders(await beneath(connection), self._group, [case.order_id])
                await connection.execute(_NOTE, self._noted(case, note, decision))
                return True

    async def _holds(self, connection: AsyncConnection, statement: Any, lease: Lease) -> bool:
        values = {**self._order(lease.case), "token": lease.token, "lease_seconds": LEASE_SECONDS}
        return (await connection.execute(statement, values)).first() is not None

    async def _last_seq(self, connection: AsyncConnection, case: Case) -> int:
        found = (await connection.execute(_LAST_SEQ, self._order(case))).scalar()
        return found or 0

    def _order(self, case: Case) -> dict[str, Any]:
        return {"of_group": self._group, "of_order": case.order_id}

    def _open(self, case: Case) -> dict[str, Any]:
        return (
            {"of_group": self._group, "of_event": case.event_id}
            if case.order_id is None
            else self._order(case)
        )

    def _noted(self, case: Case, note: Note, decision: GivingUp | None = None) -> Mapping[str, Any]:
        event_ids = decision.event_ids if decision else ()
        return {
            "actor": note.actor,
            "action": note.action,
            "consumer_group": self._group,
            "order_id": case.order_id,
            "event_id": case.event_id or (event_ids[0] if len(event_ids) == 1 else None),
            "reason": note.reason,
            "detail": _told(decision) if decision else "",
        }


def _where(case: Case) -> tuple[Any, ...]:
    return _OF_EVENT if case.order_id is None else _OF_ORDER


def _event_of(row: Row[Any]) -> Event:
    record = IncomingRecord(
        row.topic, row.partition, row.offset, 0, row.key, row.payload, decode_headers(row.headers)
    )
    event = read_event(record, epoch=0, from_ledger=True)
    if event.failure is None and (event.event_id, event.order_id) != (row.event_id, row.order_id):
        reason = "Its bytes can be read by now, and name another event than the ledger does."
        event.failure = failure("unreadable", "other_identity", reason)
    event.event_id = row.event_id
    event.attempts = row.attempts
    event.first_failed_at, event.last_failed_at = row.first_failed_at, row.last_failed_at
    return event


def _told(decision: GivingUp) -> str:
    if not decision.numbers:
        return "no number"
    first, last = decision.numbers[0][0], decision.numbers[-1][0]
    return f"number {first}" if first == last else f"numbers {first} to {last}"
