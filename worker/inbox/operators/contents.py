"""Inbox, operators: events whole, with their headers and bytes."""

import base64
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import driver_fetch
from worker.inbox.headers import decode_headers
from worker.inbox.sql import statement

_WHOLE = """
SELECT q.event_id, q.order_id, coalesce(q.seq, q.was_seq), q.event_type, q.topic, q.partition, q."offset",
       q.received_at, q.due_at, q.delivered_at, q.dead_at, q.given_up_at, q.replayed_at, q.redriven_at,
       q.dlq_copied_at, q.notice_of, q.attempts, q.error_class, q.error_code, q.error_message,
       q.first_failed_at, q.last_failed_at, q.headers, q.payload
  FROM $inbox_event q WHERE q.consumer_group = :consumer_group AND q.$column = :id
 ORDER BY coalesce(q.seq, q.was_seq), q.event_id LIMIT 1000
"""


class WholeEvent(msgspec.Struct, frozen=True, rename="camel"):
    """Everything about an event; `value` is its JSON, or base64 where it is none, null where it has gone."""

    event_id: str
    order_id: str | None
    seq: int | None
    event_type: str
    topic: str
    partition: int
    offset: int
    received_at: datetime
    due_at: datetime
    delivered_at: datetime | None
    dead_at: datetime | None
    given_up_at: datetime | None
    replayed_at: datetime | None
    redriven_at: datetime | None
    dlq_copied_at: datetime | None
    notice_of: str | None
    attempts: int
    error_class: str | None
    error_code: str | None
    error_message: str | None
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    headers: Sequence[tuple[str, str]]
    value: object


async def whole_events(
    engine: AsyncEngine, group: str, *, order_id: str | None = None, event_id: str | None = None
) -> list[WholeEvent]:
    """All events of an order by number, 1,000 at most, or one event."""
    column = "event_id" if order_id is None else "order_id"
    asked = {"consumer_group": group, "id": order_id or event_id}
    rows = await driver_fetch(engine, statement(engine, _WHOLE, column=column), asked)
    return [
        WholeEvent(*(*row[:-2], _readable_headers(row["headers"]), _value(row["payload"]))) for row in rows
    ]


def _readable_headers(content: bytes | None) -> list[tuple[str, str]]:
    return [(name, value.decode("utf-8", "backslashreplace")) for name, value in decode_headers(content)]


def _value(payload: bytes | None) -> object:
    if payload is None:
        return None
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"base64": base64.b64encode(payload).decode()}
