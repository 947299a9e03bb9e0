"""Outbox: how rows are born, inside the transaction of what they tell about."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.outbox.table import item_of
from contracts.envelope import EventMessage
from kits.ordered_queue.item import Claim
from kits.ordered_queue.sql_store import Arrival, Enqueue
from kits.postgres.driver import DriverConnection


class OutboxConflictError(Exception):
    """The outbox knows another event of this order under the same number: its transaction must not commit."""

    code = "outbox_conflict"
    # It is what a unique index would have said: this one command is refused, not its neighbours.
    sqlstate = "23505"


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


class SqlOutbox:
    """The outbox inside one transaction of the shop."""

    def __init__(self, connection: DriverConnection, enqueue: Enqueue) -> None:
        self._connection = connection
        self._enqueue = enqueue
        self._claims: list[Claim] = []

    async def add(self, messages: Sequence[EventMessage], *, claimed: bool) -> None:
        """Insert rows in one statement; with `claimed`, those that may be sent are born claimed.

        Raises:
            OutboxConflictError: a number is another event's; roll back.
        """
        items = [item_of(message) for message in messages]
        arrivals, claims = await self._enqueue.add(
            self._connection, items, [row_of(message) for message in messages], claimed=claimed
        )
        if taken := [event_id for event_id, arrival in arrivals.items() if arrival is not Arrival.NEW]:
            raise OutboxConflictError(f"The numbers of these events are taken: {', '.join(taken)}.")
        self._claims += claims

    def claimed(self) -> Sequence[Claim]:
        """The rows of this transaction that were born claimed, by order and seq."""
        return self._claims


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
