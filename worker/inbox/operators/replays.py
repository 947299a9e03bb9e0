"""Inbox, operators: delivered events come again, for a platform that lost some; marked, and in order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.actions import MAX_ROWS, Actions
from kits.postgres.driver import DriverConnection, driver_fetch
from worker.inbox.operators.audit import Note, attempted, write_notes
from worker.inbox.sql import statement

_LOOK = 2_000
_DELIVERED = """
WITH looked AS (
    SELECT q.event_id, q.order_id, q.seq, q.event_type, q.delivered_at FROM $inbox_event q
     WHERE q.consumer_group = :consumer_group $which
       AND (q.order_id, q.seq) > (:after_order, CAST(:after_seq AS bigint))
     ORDER BY q.order_id, q.seq LIMIT CAST(:look AS bigint)
), fitting AS (
    SELECT * FROM looked WHERE delivered_at < :until $fitting
     ORDER BY order_id, seq LIMIT CAST(:limit AS bigint)
), last AS (
    SELECT order_id AS last_order, seq AS last_seq FROM looked ORDER BY order_id DESC, seq DESC LIMIT 1)
SELECT fitting.event_id, fitting.order_id, fitting.seq, last_order, last_seq
  FROM last LEFT JOIN fitting ON TRUE ORDER BY fitting.order_id, fitting.seq
"""
_NOW = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Which delivered events are to come again; all that is given must fit."""

    order_id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def replay(
    engine: AsyncEngine,
    actions: Actions,
    chosen: Delivered,
    note: Note,
    *,
    at_once: int = MAX_ROWS,
    dry_run: bool = False,
) -> AsyncIterator[int]:
    """Done -> waiting, in the order of their orders and numbers; how many, as each transaction ends.

    What is delivered after its begin does not come again. Interrupted and repeated, it begins anew.
    """
    asked = {name: getattr(chosen, name) for name in ("order_id", "event_id", "event_type", "since")}
    asked = {name: value for name, value in asked.items() if value is not None}
    which = [f"AND q.{name} = :{name}" for name in ("order_id", "event_id") if name in asked]
    fitting = ["AND delivered_at >= :since"] if "since" in asked else []
    fitting += ["AND event_type = :event_type"] if "event_type" in asked else []
    find = statement(engine, _DELIVERED, which=" ".join(which), fitting=" ".join(fitting))
    ((now,),) = await driver_fetch(engine, statement(engine, _NOW))
    asked |= {"until": min(chosen.until or now, now), "look": _LOOK, "limit": at_once}
    asked |= {"consumer_group": note.consumer_group, "after_order": "", "after_seq": 0}
    while True:
        async with attempted(engine, dry_run=dry_run) as attempt:
            rows = await attempt.connection.fetch(find, asked)
            changed = await _replay(attempt.connection, actions, rows, chosen, note) if rows else 0
        if not rows:
            return
        yield changed
        full = len(rows) == at_once and rows[-1]["event_id"] is not None
        order_id, seq = ("order_id", "seq") if full else ("last_order", "last_seq")
        asked |= {"after_order": rows[-1][order_id], "after_seq": rows[-1][seq]}


async def _replay(
    connection: DriverConnection, actions: Actions, rows: Sequence[Any], chosen: Delivered, note: Note
) -> int:
    ids = [row["event_id"] for row in rows if row["event_id"] is not None]
    outcome = await actions.replay(connection, ids)
    if outcome.changed:
        detail = f"{len(outcome.changed)} events, orders {rows[0]['order_id']} to {rows[-1]['order_id']}"
        await write_notes(connection, note, [(chosen.order_id, chosen.event_id, detail)])
    return len(outcome.changed)
