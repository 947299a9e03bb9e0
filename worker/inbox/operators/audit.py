"""Inbox, audit: who did what, when and why; written in the transaction of the action."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch, driver_transaction
from kits.postgres.schema import as_document, insert_from_document
from worker.inbox.sql import statement
from worker.inbox.table import inbox_audit

_NOTE = DriverStatement(
    insert_from_document(
        inbox_audit, "actor", "action", "consumer_group", "order_id", "event_id", "reason", "detail"
    )
)
_LISTED = """
SELECT a.at, a.actor, a.action, a.order_id, a.event_id, a.reason, a.detail FROM $inbox_audit a
 WHERE a.consumer_group = :consumer_group $chosen ORDER BY a.at DESC, a.id DESC LIMIT CAST(:limit AS bigint)
"""


@dataclass(frozen=True, slots=True)
class Note:
    """Who does what to which group, and why."""

    actor: str
    action: str
    consumer_group: str
    reason: str = ""


class _TakenBackError(Exception):
    """Rolls a transaction back that was only to show what it would do, or that cannot do all of it."""


@dataclass(slots=True)
class Attempt:
    """The transaction of an action; it is rolled back unless `is_kept` at its end."""

    connection: DriverConnection
    is_kept: bool


@asynccontextmanager
async def attempted(engine: AsyncEngine, *, dry_run: bool) -> AsyncIterator[Attempt]:
    """A transaction that is taken back after a dry run, and if the action says so."""
    with suppress(_TakenBackError):
        async with driver_transaction(engine) as connection:
            attempt = Attempt(connection, is_kept=not dry_run)
            yield attempt
            if not attempt.is_kept:
                raise _TakenBackError


class Noted(msgspec.Struct, frozen=True, rename="camel"):
    """What somebody did; `order_id` and `event_id` where it was done to one."""

    at: datetime
    actor: str
    action: str
    order_id: str | None
    event_id: str | None
    reason: str
    detail: str


async def write_notes(
    connection: DriverConnection, note: Note, done: Sequence[tuple[str | None, str | None, str]]
) -> None:
    """Note what was done, in this transaction: order id, event id and detail of each."""
    who = {"actor": note.actor, "action": note.action, "consumer_group": note.consumer_group}
    rows = [
        {**who, "reason": note.reason, "order_id": order_id, "event_id": event_id, "detail": detail}
        for order_id, event_id, detail in done
    ]
    if rows:
        await connection.fetch(_NOTE, as_document(rows))


async def notes(engine: AsyncEngine, group: str, *, limit: int, **chosen: object) -> list[Noted]:
    """The newest notes; `chosen`: order_id, event_id, action, and at: since when."""
    given = {name: value for name, value in chosen.items() if value is not None}
    conditions = [f"AND a.{name} {'>=' if name == 'at' else '='} :{name}" for name in given]
    asked = statement(engine, _LISTED, chosen=" ".join(conditions))
    rows = await driver_fetch(engine, asked, {"consumer_group": group, "limit": limit, **given})
    return [Noted(*row) for row in rows]
