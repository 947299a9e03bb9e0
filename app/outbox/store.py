"""Outbox: its SQL after a row's birth; every write to a claimed row is fenced by the claim's token."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Float,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate

from app.outbox.claim import Claim, send_until
from app.outbox.table import EVENT_ID, UNPUBLISHED, earlier_unpublished, lease_end, outbox_event
from contracts.envelope import EventMessage
from kits.kafka.records import Acknowledgement, Deadline
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.row_locks import lock_free_rows
from kits.postgres.schema import as_document, rows_from_document

_row = outbox_event.c
_COUNTED = 10_001
_FREE = {"lease_token": null(), "lease_until": null()}

_heads = (
    select(_row.event_id)
    .where(
        UNPUBLISHED,
        _row.dead_at.is_(None),
        or_(_row.lease_until.is_(None), _row.lease_until < func.clock_timestamp()),
        or_(_row.next_attempt_at.is_(None), _row.next_attempt_at <= func.clock_timestamp()),
        ~earlier_unpublished(_row.aggregate_type, _row.aggregate_id, _row.seq),
    )
    .order_by(_row.event_id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("heads")
)
_CLAIM = DriverStatement(
    update(outbox_event)
    .where(_row.event_id == _heads.c.event_id)
    .values(lease_token=bindparam("token", type_=EVENT_ID), lease_until=lease_end, attempts=_row.attempts + 1)
    .returning(outbox_event)
)


def _counted(changed: ReturningUpdate[Any]) -> Select[Any]:
    return select(func.count()).select_from(changed.cte("changed"))


_HELD = lock_free_rows(_row.event_id)
_claimed = rows_from_document("claimed", event_id=EVENT_ID, token=EVENT_ID)
_RENEW = DriverStatement(
    update(outbox_event)
    .where(_row.event_id == _claimed.c.event_id, _row.lease_token == _claimed.c.token)
    .values(lease_until=lease_end)
    .returning(_row.event_id)
)

_sent = rows_from_document(
    "sent", event_id=EVENT_ID, token=EVENT_ID, partition=Integer(), offset=BigInteger()
)
_published = (
    update(outbox_event)
    .where(_row.event_id == _sent.c.event_id, _row.lease_token == _sent.c.token)
    .values(
        published_at=func.clock_timestamp(),
        partition=_sent.c.partition,
        offset=_sent.c.offset,
        last_error=null(),
        **_FREE,
    )
    .returning(_row.event_id)
)
_PUBLISHED = DriverStatement(_counted(_published))

_failed = rows_from_document(
    "failed", event_id=EVENT_ID, token=EVENT_ID, error=Text(), wait_seconds=Double(), dead=Boolean()
)
_given_free = (
    update(outbox_event)
    .where(_row.event_id == _failed.c.event_id, _row.lease_token == _failed.c.token)
    .values(
        last_error=_failed.c.error,
        next_attempt_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, _failed.c.wait_seconds),
        dead_at=case((_failed.c.dead, func.clock_timestamp())),
        **_FREE,
    )
    .returning(_row.event_id)
)
_FAILED = DriverStatement(_counted(_given_free))

_expired = (
    select(_row.event_id)
    .where(
        _row.published_at
        < func.clock_timestamp() - func.make_interval(0, 0, 0, bindparam("days", type_=Integer))
    )
    .order_by(_row.event_id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_DELETE = DriverStatement(
    delete(outbox_event).where(_row.event_id.in_(_expired)).returning(literal_column("1"))
)
# The order is that of the index that holds the backlog alone: no plan takes another one for it.
_unpublished = (
    select(_row.dead_at, _row.occurred_at)
    .where(UNPUBLISHED)
    .order_by(_row.event_id)
    .limit(_COUNTED)
    .subquery("unpublished")
)
_BACKLOG = DriverStatement(
    select(
        func.count(),
        func.count(_unpublished.c.dead_at),
        func.coalesce(
            cast(func.extract("epoch", func.clock_timestamp() - func.min(_unpublished.c.occurred_at)), Float),
            0.0,
        ),
    )
)


@dataclass(frozen=True, slots=True)
class FailedSend:
    """A claim whose send failed: why, how long to wait before the next try, and whether there is none."""

    claim: Claim
    error: str
    wait_seconds: float = 0.0
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not published, counted to 10,001: rows, dead ones among them, the oldest's age in seconds."""

    rows: int
    dead: int
    oldest_seconds: float


class OutboxStore:
    """The outbox between transactions: each method is one statement, which is a transaction of its own.

    A fault that condemns its connection runs it once more on a new one.
    """

    def __init__(self, engine: AsyncEngine, *, lease_seconds: float) -> None:
        self._engine = engine
        self._lease_seconds = lease_seconds

    async def claim_heads(self, limit: int) -> list[Claim]:
        """Claim up to `limit` heads, oldest first: unpublished rows with none of their order before them."""
        token, until = str(uuid4()), send_until(time.monotonic(), self._lease_seconds)
        values = {"token": token, "limit": limit, "lease_seconds": self._lease_seconds}
        rows = await driver_fetch(self._engine, _CLAIM, values)
        messages = sorted(map(_message_of, rows), key=lambda message: message.event_id)
        return [Claim(message, token, Deadline(until), relayed=True) for message in messages]

    async def renew(self, claims: Sequence[Claim]) -> set[str]:
        """Prolong these leases; returns the event ids that are still ours."""
        rows = [{"event_id": claim.message.event_id, "token": claim.token} for claim in _sorted(claims)]
        renewed = await driver_fetch(
            self._engine, _RENEW, {**as_document(rows), "lease_seconds": self._lease_seconds}
        )
        return {str(event_id) for (event_id,) in renewed}

    async def mark_published(self, sent: Sequence[tuple[Claim, Acknowledgement]]) -> int:
        """Write acknowledgements back; returns how many of the rows were still ours."""
        rows = [
            {
                "event_id": claim.message.event_id,
                "token": claim.token,
                "partition": ack.partition,
                "offset": ack.offset,
            }
            for claim, ack in sorted(sent, key=lambda one: one[0].message.event_id)
        ]
        ((written,),) = await driver_fetch(self._engine, _PUBLISHED, as_document(rows))
        return int(written)

    async def mark_failed(self, failed: Sequence[FailedSend]) -> int:
        """Write errors back and give the rows free, or declare them dead; how many were still ours."""
        rows = [
            {
                "event_id": each.claim.message.event_id,
                "token": each.claim.token,
                "error": each.error,
                "wait_seconds": each.wait_seconds,
                "dead": each.dead,
            }
            for each in sorted(failed, key=lambda each: each.claim.message.event_id)
        ]
        ((written,),) = await driver_fetch(self._engine, _FAILED, as_document(rows))
        return int(written)

    async def held_by_others(self, event_ids: Iterable[str]) -> set[str]:
        """Those of the rows that another session holds at this moment; it waits for none."""
        held = await driver_fetch(self._engine, _HELD, {"keys": sorted(event_ids)})
        return {str(event_id) for (event_id,) in held}

    async def delete_published(self, *, older_than_days: int, limit: int) -> int:
        """Delete up to `limit` rows that were published that long ago; returns how many."""
        return len(await driver_fetch(self._engine, _DELETE, {"days": older_than_days, "limit": limit}))

    async def backlog(self) -> Backlog:
        """What is not published now."""
        ((rows, dead, oldest_seconds),) = await driver_fetch(self._engine, _BACKLOG)
        return Backlog(rows, dead, oldest_seconds)


def _sorted(claims: Sequence[Claim]) -> Sequence[Claim]:
    return sorted(claims, key=lambda claim: claim.message.event_id)


def _message_of(row: Mapping[str, Any]) -> EventMessage:
    return EventMessage(
        event_id=str(row["event_id"]),
        aggregate_type=row["aggregate_type"],
        aggregate_id=row["aggregate_id"],
        seq=row["seq"],
        event_type=row["event_type"],
        event_version=row["event_version"],
        occurred_at=row["occurred_at"],
        topic=row["topic"],
        payload=bytes(row["payload"]),
        traceparent=row["headers"].get("traceparent", ""),
    )
