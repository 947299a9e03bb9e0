"""Outbox: how rows are born, inside the transaction of what they tell about."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Boolean, and_, bindparam, case, insert, select

from app.outbox.claim import Claim, send_until
from app.outbox.table import EVENT_ID, earlier_unpublished, lease_end, outbox_event
from contracts.envelope import EventMessage
from kits.kafka.records import Deadline
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_arrays, rows_for, values_for

_row = outbox_event.c
_COLUMNS = (
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "seq",
    "event_type",
    "event_version",
    "topic",
    "key",
    "payload",
    "headers",
    "occurred_at",
)
_new = rows_for(outbox_event, *_COLUMNS, claim=Boolean())
_claimable = and_(_new.c.claim, ~earlier_unpublished(_new.c.aggregate_type, _new.c.aggregate_id, _new.c.seq))
_ADD = DriverStatement(
    insert(outbox_event)
    .from_select(
        [*_COLUMNS, "lease_token", "lease_until"],
        select(
            *values_for(outbox_event, _new, *_COLUMNS),
            case((_claimable, bindparam("token", type_=EVENT_ID))),
            case((_claimable, lease_end)),
        ),
    )
    .returning(_row.event_id, _row.lease_token)
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
        seen: set[str] = set()
        rows = []
        for message in sorted(messages, key=lambda message: (message.aggregate_id, message.seq)):
            rows.append((*_columns_of(message), claimed and message.aggregate_id not in seen))
            seen.add(message.aggregate_id)
        values = as_arrays((*_COLUMNS, "claim"), rows)
        born = await self._connection.fetch(
            _ADD, {**values, "token": token, "lease_seconds": self._lease_seconds}
        )
        mine = {str(event_id) for event_id, lease_token in born if lease_token is not None}
        self._claims += [
            Claim(message, token, Deadline(until)) for message in messages if message.event_id in mine
        ]

    def claimed(self) -> Sequence[Claim]:
        """The rows of this transaction that were born claimed, in the order they were added."""
        return self._claims


def _columns_of(message: EventMessage) -> tuple[Any, ...]:
    headers = {"traceparent": message.traceparent} if message.traceparent else {}
    values = {
        **{name: getattr(message, name, None) for name in _COLUMNS},
        "headers": msgspec.json.encode(headers).decode(),
    }
    return tuple(values[name] for name in _COLUMNS)
