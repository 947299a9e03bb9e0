"""Outbox: how rows are born, inside the transaction of what they tell about."""

import time
from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import Boolean, Text, and_, bindparam, case, func, insert, literal_column, select

from app.outbox.claim import Claim, send_until
from app.outbox.table import EVENT_ID, earlier_unpublished, lease_end, outbox_event
from contracts.envelope import EventMessage
from kits.kafka.records import Deadline
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_document, received, rows_from_document

_row = outbox_event.c
_COLUMNS = (
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "seq",
    "event_type",
    "event_version",
    "topic",
    "payload",
    "occurred_at",
)
_new = rows_from_document("new_row", **{name: _row[name].type for name in _COLUMNS}, traceparent=Text())
_key = func.convert_to(_new.c.aggregate_id, literal_column("'UTF8'"))
_headers = func.jsonb_strip_nulls(
    func.jsonb_build_object(
        literal_column("'traceparent'"), func.nullif(_new.c.traceparent, literal_column("''"))
    )
)
_is_first = _new.c.seq == func.min(_new.c.seq).over(partition_by=[_new.c.aggregate_type, _new.c.aggregate_id])
_claimable = and_(
    bindparam("claimed", type_=Boolean),
    _is_first,
    ~earlier_unpublished(_new.c.aggregate_type, _new.c.aggregate_id, _new.c.seq),
)
_ADD = DriverStatement(
    insert(outbox_event)
    .from_select(
        [*_COLUMNS, "key", "headers", "lease_token", "lease_until"],
        select(
            *received(outbox_event, _new, *_COLUMNS),
            _key,
            _headers,
            case((_claimable, bindparam("token", type_=EVENT_ID))),
            case((_claimable, lease_end)),
        ),
    )
    .returning(_row.event_id, _row.lease_token.is_not(None))
)


class SqlOutbox:
    """The outbox inside one transaction of the shop."""

    def __init__(self, connection: DriverConnection, *, lease_seconds: float) -> None:
        self._connection = connection
        self._lease_seconds = lease_seconds
        self._claims: list[Claim] = []

    async def add(self, messages: Sequence[EventMessage], *, claimed: bool) -> None:
        """Insert rows in one statement; with `claimed`, the heads of their orders are born claimed.

        A row behind an unpublished one of its order is born unclaimed, so that it can't overtake.
        """
        token, until = str(uuid4()), send_until(time.monotonic(), self._lease_seconds)
        rows = as_document(sorted(messages, key=lambda message: message.event_id))
        await self._connection.write(
            _ADD, {**rows, "claimed": claimed, "token": token, "lease_seconds": self._lease_seconds}
        )
        born = await self._connection.flush()
        waiting = {str(event_id) for event_id, is_claimed in born if not is_claimed}
        self._claims += [
            Claim(message, token, Deadline(until)) for message in messages if message.event_id not in waiting
        ]

    def claimed(self) -> Sequence[Claim]:
        """The rows of this transaction that were born claimed, in the order they were added."""
        return self._claims
