"""Outbox: an order event as the row that is born inside the order's transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.outbox.table import item_of
from contracts.envelope import EventMessage
from kits.outbox.recording import Recording


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """What travels to the database of a new row."""

    id: str
    key: str
    number: int
    payload: bytes
    event_type: str
    event_version: int
    topic: str
    headers: str
    """JSON."""
    occurred_at: datetime


class SqlOutbox(Recording):
    """The outbox inside one transaction of the shop."""

    async def add(self, messages: Sequence[EventMessage], *, claimed: bool) -> None:
        """Insert rows in one statement; with `claimed`, those that may be sent are born claimed.

        Raises:
            OutboxConflictError: a number is another event's; roll back.
        """
        items = [item_of(message) for message in messages]
        await self.record(items, [row_of(message) for message in messages], claimed=claimed)


def row_of(message: EventMessage) -> OutboxRow:
    """The new row of a message."""
    return OutboxRow(
        message.event_id,
        message.aggregate_id,
        message.seq,
        message.payload,
        message.event_type,
        message.event_version,
        message.topic,
        _headers(message.traceparent),
        message.occurred_at,
    )


def _headers(traceparent: str) -> str:
    return msgspec.json.encode({"traceparent": traceparent}).decode() if traceparent else "{}"
