"""Ledger: everything about one order that has something stuck, for the people who decide about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.kafka.records import Headers
from worker.delivery.stuck import Note, StuckEvent, Wanted
from worker.ledger.errors import ledger_errors
from worker.ledger.rows import decode_headers
from worker.ledger.stuck_events import listed_events
from worker.ledger.tables import delivery, delivery_audit, delivery_order

_group = bindparam("of_group", type_=Text)
_order = delivery_order.c
_ORDER = select(_order.last_seq, _order.blocked, _order.lease_until).where(
    _order.consumer_group == _group, _order.order_id == bindparam("of_order", type_=Text)
)
_CONTENT = select(delivery.c.headers, delivery.c.payload).where(
    delivery.c.consumer_group == _group, delivery.c.event_id == bindparam("of_event", type_=Text)
)
_audit = delivery_audit.c
_AUDIT = (
    select(delivery_audit)
    .where(
        _audit.consumer_group == _group,
        func.coalesce(_audit.order_id, _audit.event_id) == bindparam("subject", type_=Text),
    )
    .order_by(_audit.id)
)


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with its open events, their bytes by event id, and what operators did about it so far."""

    order_id: str | None
    last_seq: int
    blocked: str | None
    lease_until: datetime | None
    events: Sequence[StuckEvent]
    contents: Mapping[str, tuple[Headers, bytes | None]]
    audit: Sequence[tuple[datetime, Note, str]]


class SqlOrderViews:
    """Reads the ledger of one consumer group; changes nothing."""

    def __init__(self, engine: AsyncEngine, *, group: str) -> None:
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._group = group

    async def view(self, wanted: Wanted) -> OrderView | None:
        """The open events that fit, with the order of the first; None when nothing of it is stuck.

        Raises:
            LedgerUnavailableError: the database does not answer now.
        """
        with ledger_errors():
            async with self._reading.connect() as connection:
                events = await listed_events(connection, self._group, wanted)
                return await self._view(connection, events) if events else None

    async def _view(self, connection: AsyncConnection, events: Sequence[StuckEvent]) -> OrderView:
        order_id = events[0].order_id
        names = {"of_group": self._group, "of_order": order_id}
        order = (await connection.execute(_ORDER, names)).first()
        contents = {}
        for event in events:
            asked = {"of_group": self._group, "of_event": event.event_id}
            headers, payload = (await connection.execute(_CONTENT, asked)).one()
            contents[event.event_id] = (decode_headers(headers), payload)
        subject = {"of_group": self._group, "subject": order_id or events[0].event_id}
        audit = [
            (row.at, Note(row.actor, row.action, row.reason), row.detail)
            for row in await connection.execute(_AUDIT, subject)
        ]
        last_seq, blocked, lease_until = order or (0, None, None)
        return OrderView(order_id, last_seq, blocked, lease_until, events, contents, audit)
