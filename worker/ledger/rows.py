"""Ledger: rows of `delivery`, written in one statement per kind, sorted by event id."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, func, or_
from sqlalchemy.dialects.postgresql import Insert

from kits.kafka.records import Headers
from kits.postgres.driver import DriverConnection, DriverStatement, in_any
from kits.postgres.schema import as_arrays, insert_from_arrays
from worker.delivery.verdicts import Status, Verdict
from worker.ledger.tables import delivery

_row = delivery.c
_KEEPS_PAYLOAD = frozenset({Status.DEAD, Status.HELD})
_PLACE = ("consumer_group", "event_id", "order_id", "seq", "event_type", "status", "attempts",
          "topic", "partition", "offset")  # fmt: skip
_DETAIL = ("key", "payload", "headers", "error_class", "error_code", "error_message",
           "first_failed_at", "last_failed_at")  # fmt: skip
_headers = msgspec.json.Decoder(tuple[tuple[str, bytes], ...])


def _upsert(*columns: str) -> Insert:
    """A held event may end in any way, a dead one too, but it is not held again. Any other end is final."""
    statement = insert_from_arrays(delivery, *columns)
    new = statement.excluded
    keep = {"consumer_group", "event_id", "order_id", "seq", "event_type", "topic", "partition", "offset"}
    changed: dict[str, Any] = {name: new[name] for name in (*_PLACE, *_DETAIL) if name not in keep}
    return statement.on_conflict_do_update(
        index_elements=[_row.consumer_group, _row.event_id],
        set_=changed | {"updated_at": func.clock_timestamp()},
        where=or_(
            and_(in_any(_row.status, "held", "retrying"), new.status != "held"),
            and_(_row.status == "dead", in_any(new.status, "dead", "delivered", "skipped")),
        ),
    )


_DELIVERED = DriverStatement(_upsert(*_PLACE))
_OPEN = DriverStatement(_upsert(*_PLACE, *_DETAIL))


async def write_rows(connection: DriverConnection, group: str, verdicts: Sequence[Verdict]) -> None:
    """Write one row per event; of several verdicts about one event id the first counts."""
    unique: dict[str, Verdict] = {}
    for verdict in verdicts:
        unique.setdefault(verdict.event.event_id, verdict)
    ordered = [unique[event_id] for event_id in sorted(unique)]
    delivered = [_place(group, v) for v in ordered if v.status is Status.DELIVERED]
    others = [(*_place(group, v), *_detail(v)) for v in ordered if v.status is not Status.DELIVERED]
    if delivered:
        await connection.fetch(_DELIVERED, as_arrays(_PLACE, delivered))
    if others:
        await connection.fetch(_OPEN, as_arrays((*_PLACE, *_DETAIL), others))


def encode_headers(headers: Headers) -> bytes:
    """Headers as JSON `[[name, base64], …]`: any bytes fit, and people can read them."""
    return msgspec.json.encode(headers)


def decode_headers(content: bytes | None) -> Headers:
    """The opposite of encode_headers."""
    return _headers.decode(content) if content else ()


def _place(group: str, verdict: Verdict) -> tuple[Any, ...]:
    event = verdict.event
    record = event.record
    return (
        group,
        event.event_id,
        event.order_id,
        event.seq,
        event.event_type,
        verdict.status.value,
        event.attempts,
        record.topic,
        record.partition,
        record.offset,
    )


def _detail(verdict: Verdict) -> tuple[Any, ...]:
    event, record, failure = verdict.event, verdict.event.record, verdict.failure
    content: tuple[Any, ...] = (None, None, None)
    if verdict.status in _KEEPS_PAYLOAD:
        content = (record.key, record.value, encode_headers(record.headers))
    reason = (failure.error_class, failure.code, failure.message) if failure else (None, None, None)
    return (*content, *reason, event.first_failed_at, event.last_failed_at)
