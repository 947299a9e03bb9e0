"""Ledger: rows of `delivery`, written in one statement per kind, sorted by event id."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Double, and_, func, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from kits.kafka.records import Headers
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_arrays, in_any, insert_from_arrays, rows_for, values_for
from worker.delivery.verdicts import Status, Verdict
from worker.ledger.tables import delivery

_row = delivery.c
_KEEPS_PAYLOAD = frozenset({Status.DEAD, Status.HELD, Status.RETRYING})
_PLACE = ("consumer_group", "event_id", "order_id", "seq", "event_type", "status", "attempts",
          "topic", "partition", "offset")  # fmt: skip
_DETAIL = ("key", "payload", "headers", "error_class", "error_code", "error_message",
           "first_failed_at", "last_failed_at")  # fmt: skip
_RETRY_IN = "retry_in_seconds"
_headers = msgspec.json.Decoder(tuple[tuple[str, bytes], ...])


def _insert_open() -> Insert:
    """The next attempt of a parked event is so many seconds from now, by the database's clock."""
    rows = rows_for(delivery, *_PLACE, *_DETAIL, **{_RETRY_IN: Double()})
    next_attempt_at = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, rows.c[_RETRY_IN])
    values = values_for(delivery, rows, *_PLACE, *_DETAIL)
    return insert(delivery).from_select(
        [*_PLACE, *_DETAIL, "next_attempt_at"], select(*values, next_attempt_at)
    )


def _upsert(statement: Insert) -> Insert:
    """A held, parked or dead event may end in any way, but is not held again. Any other end is final."""
    new = statement.excluded
    keep = {"consumer_group", "event_id", "order_id", "seq", "event_type", "topic", "partition", "offset"}
    columns = (*_PLACE, *_DETAIL, "next_attempt_at")
    changed: dict[str, Any] = {name: new[name] for name in columns if name not in keep}
    # A repeat in the topic that fails too does not make the history of the parked one shorter.
    changed["attempts"] = func.greatest(_row.attempts, new.attempts)
    return statement.on_conflict_do_update(
        index_elements=[_row.consumer_group, _row.event_id],
        set_=changed | {"updated_at": func.clock_timestamp()},
        where=or_(
            and_(in_any(_row.status, "held", "retrying"), new.status != "held"),
            and_(_row.status == "dead", in_any(new.status, "dead", "delivered", "skipped")),
        ),
    )


_DELIVERED = DriverStatement(_upsert(insert_from_arrays(delivery, *_PLACE)))
_OPEN = DriverStatement(_upsert(_insert_open()))


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
        await connection.fetch(_OPEN, as_arrays((*_PLACE, *_DETAIL, _RETRY_IN), others))


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
    return (*content, *reason, event.first_failed_at, event.last_failed_at, verdict.retry_in_seconds)
