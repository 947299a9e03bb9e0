"""Inbox, operators: each action is a change of rows, noted in its transaction; the workers do the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.actions import MAX_ROWS, Actions
from kits.postgres.driver import DriverConnection
from kits.postgres.schema import as_document
from worker.inbox.error_class import ErrorClass
from worker.inbox.operators.audit import Note, attempted, write_notes
from worker.inbox.operators.notices import (
    GivingUp,
    NothingToGiveUpError,
    OpenOrder,
    OpenRow,
    notices_of,
    plan_discard,
    plan_skip,
)
from worker.inbox.operators.stuck import StuckEvent
from worker.inbox.sql import statement

_OPEN = """
SELECT q.event_id, q.seq, q.notice_of IS NOT NULL, q.replayed_at IS NOT NULL, q.topic,
       CAST(q.topic_id AS text), q.partition, q."offset", q.order_id,
       CASE WHEN q.is_first THEN q.seq - 1 ELSE coalesce((
            SELECT max(b.seq) FROM $inbox_event b WHERE b.consumer_group = q.consumer_group
               AND b.order_id = q.order_id AND b.seq < q.seq), 0) END AS last
  FROM $inbox_event q
 WHERE q.consumer_group = :consumer_group AND $which AND q.delivered_at IS NULL AND q.given_up_at IS NULL
 ORDER BY q.seq NULLS FIRST, q.event_id LIMIT CAST(:limit AS bigint)
"""
_MARK = """
UPDATE $inbox_event q SET notice_of = sent.notice_of
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (event_id text, notice_of text)
 WHERE q.consumer_group = :consumer_group AND q.event_id = sent.event_id
"""
# Nobody is told of these numbers: a row that is given up at birth holds each, and the later ones go.
_HOLD = """
INSERT INTO $inbox_event (consumer_group, event_id, order_id, seq, is_first, event_type, topic, topic_id,
                          partition, "offset", given_up_at, notice_of)
SELECT :consumer_group, sent.id, sent.key, sent.number, sent.is_first, sent.event_type, sent.topic,
       sent.topic_id, sent.partition, sent."offset", clock_timestamp(), ''
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (
       id text, key text, number bigint, is_first boolean, event_type text, topic text, topic_id uuid,
       partition integer, "offset" bigint)
    ON CONFLICT DO NOTHING RETURNING event_id
"""
_REDRIVEN = dict.fromkeys(("waiting", "unclaimed", "replayed"), "it waits already")
_LEFT = {
    "waiting": "it may be on its way: try again",
    "unnumbered": "no event can be made of its bytes: skip it",
    "done": "it was delivered",
    "given up": "it was given up",
    "missing": "there is no such event",
    "taken": "its number has come, or a later one was delivered",
}
_UNREADABLE = "no event can be made of its bytes: skip it, or have it read by a build that can (offsets seek)"
_NOTICE = "{} is a notice itself: redrive it, or give it up with DATA_PLATFORM_SKIP_NOTICES=false"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be given up: an event, or what is open of an order; `seq`: only this number of it."""

    order_id: str | None = None
    event_id: str | None = None
    seq: int | None = None


class ActionResult(msgspec.Struct, frozen=True, rename="camel"):
    """What became of an event, or of an order; `left` says why nothing was done, else it is empty."""

    order_id: str | None
    event_id: str | None
    done: str
    left: str = ""


class InboxOperations:
    """What operators do to the events of one group: by id, at most 1,000 rows a transaction.

    Safe twice, interrupted, and beside any number of workers. With `dry_run` it is done and
    rolled back.
    """

    def __init__(self, engine: AsyncEngine, actions: Actions, *, group: str) -> None:
        self._engine = engine
        self._actions = actions
        self._group = {"consumer_group": group}
        self._of_order = statement(engine, _OPEN, which="q.order_id = :order_id")
        self._of_event = statement(engine, _OPEN, which="q.event_id = :event_id")
        self._mark = statement(engine, _MARK)
        self._hold = statement(engine, _HOLD)

    async def redrive(
        self, events: Sequence[StuckEvent], note: Note, *, dry_run: bool = False
    ) -> list[ActionResult]:
        """Dead -> waiting: they go again, each order's in its order, and then what is behind them."""
        readable = {each.event_id: each for each in events if each.error_class != ErrorClass.UNREADABLE}
        async with attempted(self._engine, dry_run=dry_run) as attempt:
            outcome = await self._actions.redrive(attempt.connection, list(readable))
            changed = {event_id: readable[event_id] for event_id in outcome.changed}
            done = [(each.order_id, each.event_id, f"number {each.seq}") for each in changed.values()]
            await write_notes(attempt.connection, note, done)
        left = {each.event_id: _UNREADABLE for each in events if each.event_id not in readable}
        left |= {
            event_id: _REDRIVEN.get(state) or _LEFT[state] for event_id, state in outcome.refused.items()
        }
        return [
            ActionResult(each.order_id, each.event_id, f"number {each.seq}", left.get(each.event_id, ""))
            for each in events
        ]

    async def give_up(
        self, target: Target, note: Note, *, whole: bool = False, tells: bool = True, dry_run: bool = False
    ) -> ActionResult:
        """Give up an event; or what is at the front of an order: missing numbers, or an event; or, `whole`,
        all that is open of the order. Nothing is done where not all of it can be.

        Args:
            tells: order.event_skipped takes the place of each number; else it stays with what is given up.
        """
        order_id, decision = target.order_id, GivingUp(())
        async with attempted(self._engine, dry_run=dry_run) as attempt:
            try:
                order = await self._open_order(attempt.connection, target)
                order_id = order.order_id
                decision = plan_discard(order) if whole else plan_skip(order, target.event_id, target.seq)
            except NothingToGiveUpError as error:
                left = str(error)
            else:
                left = await self._carry_out(attempt.connection, order_id, decision, note, tells=tells)
            if left:
                attempt.is_kept = False
            else:
                await write_notes(attempt.connection, note, decision.notes(order_id))
        return ActionResult(order_id, target.event_id, decision.numbers, left)

    async def _open_order(self, connection: DriverConnection, target: Target) -> OpenOrder:
        of_event = target.event_id is not None
        which = {"event_id": target.event_id} if of_event else {"order_id": target.order_id}
        asked = {**self._group, **which, "limit": MAX_ROWS + 1}
        found = await connection.fetch(self._of_event if of_event else self._of_order, asked)
        if not found:
            raise NothingToGiveUpError("nothing of it is open")
        if len(found) > MAX_ROWS:
            raise NothingToGiveUpError(f"more than {MAX_ROWS} events of it are open: find out why first")
        last = next((row["last"] for row in found if row["seq"] is not None), 0)
        return OpenOrder(found[0]["order_id"], last, [OpenRow(*row[:8]) for row in found])

    async def _carry_out(
        self,
        connection: DriverConnection,
        order_id: str | None,
        decision: GivingUp,
        note: Note,
        *,
        tells: bool,
    ) -> str:
        """Do it; why not all of it could be done."""
        if tells and (notice := next((r for r in decision.rows if r.is_notice and not r.is_replayed), None)):
            return _NOTICE.format(notice.event_id)
        of_whom = (
            notices_of(decision, order_id, group=note.consumer_group, reason=note.reason) if order_id else []
        )
        unseen = [notice for notice, event_id in of_whom if not event_id]
        seen = [notice for notice, event_id in of_whom if event_id]
        ids = [row.event_id for row in decision.rows]
        if not tells:
            held = await connection.fetch(self._hold, {**self._group, **as_document(unseen)})
            refused = dict.fromkeys((notice.id for notice in unseen[len(held) :]), "taken")
            refused |= (await self._actions.give_up(connection, ids)).refused
        else:
            # A number is filled while there is one behind it.
            refused = (await self._actions.give_up(connection, (), unseen)).refused
            refused |= (await self._actions.give_up(connection, ids, seen)).refused
            marks = [{"event_id": notice.id, "notice_of": event_id} for notice, event_id in of_whom]
            await connection.fetch(self._mark, {**self._group, **as_document(marks)})
        return next((f"{each}: {_LEFT[state]}" for each, state in refused.items()), "")
