"""Inbox, for operators: what is stuck, and why; asked of the rows themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import driver_fetch
from worker.inbox.sql import statement


class State(StrEnum):
    """How an event stands that was neither delivered nor, but for the last, given up."""

    DEAD = "dead"
    RETRYING = "retrying"
    """It failed, and is asked again when it is due."""
    GAP = "gap"
    """A number before it has not come for longer than a moment."""
    UNFILLED = "unfilled"
    """It is to be replayed, and its bytes are to be read from the topic again."""
    BEHIND = "behind"
    """An earlier event of its order is one of the above."""
    WAITING = "waiting"
    """Nothing is wrong with it: it is its turn soon, or it is on its way."""
    GIVEN_UP = "given_up"


STUCK = (State.DEAD, State.RETRYING, State.GAP, State.UNFILLED, State.BEHIND)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events an operator means; all that is given must fit. Without states: what is stuck."""

    order_id: str | None = None
    event_id: str | None = None
    error_class: str | None = None
    code: str | None = None
    event_type: str | None = None
    states: Sequence[State] = STUCK
    since: datetime | None = None
    """In trouble since this moment, or later."""
    until: datetime | None = None
    """In trouble since before this moment."""
    limit: int | None = None


class StuckEvent(msgspec.Struct, frozen=True, rename="camel"):
    """One event as an operator sees it; `since` is when its trouble began.

    `head_seq` is the first open number of its order, `missing_from` to `missing_to` are the numbers that are
    missing before that one.
    """

    event_id: str
    order_id: str | None
    seq: int | None
    event_type: str
    state: str
    error_class: str | None
    code: str | None
    message: str | None
    attempts: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    since: datetime
    due_at: datetime
    head_seq: int | None
    head_state: str | None
    missing_from: int | None
    missing_to: int | None

    @property
    def missing(self) -> str:
        """The missing numbers, as in `2-4`."""
        if self.missing_from is None:
            return ""
        one = self.missing_from == self.missing_to
        return str(self.missing_from) if one else f"{self.missing_from}-{self.missing_to}"

    @property
    def why(self) -> str:
        """Why it is where it is, as a part of a sentence."""
        match self.state:
            case State.BEHIND if self.head_state == State.GAP:
                return f"behind {self.head_seq}, before which {self.missing} is missing"
            case State.BEHIND:
                return f"behind {self.head_seq} ({self.head_state})"
            case State.GAP:
                return f"{self.missing} has not come"
            case State.UNFILLED:
                return self.message or "its bytes are read from the topic again"
            case _:
                return self.message or ""


@dataclass(frozen=True, slots=True)
class Kinds:
    """How many events were looked at, and how many of each kind there are among them."""

    events: int
    classes: Mapping[str, int]
    codes: Mapping[str, int]
    types: Mapping[str, int]


class Ages(msgspec.Struct, frozen=True, rename="camel"):
    """How many events of a class are in trouble for less than an hour, a day, a week, and longer."""

    error_class: str
    hour: int
    day: int
    week: int
    longer: int
    oldest: datetime


_LOOKED = """
    SELECT q.* FROM $inbox_event q
     WHERE q.consumer_group = :consumer_group AND $waiting $chosen
     UNION ALL
    SELECT q.* FROM $inbox_event q
     WHERE q.consumer_group = :consumer_group AND $dead $chosen
"""
_GIVEN_UP = """
     UNION ALL
    SELECT q.* FROM $inbox_event q
     WHERE q.consumer_group = :consumer_group AND q.given_up_at IS NOT NULL $chosen
"""
# The first open row of an order says why the others wait. What it failed before it was put back is over.
_JUDGED = """
WITH looked AS ($looked
), headed AS (
    SELECT q.*, head.seq AS head_seq, head.state AS first_state,
           CASE WHEN head.known + 1 < head.seq THEN head.known + 1 END AS missing_from,
           CASE WHEN head.known + 1 < head.seq THEN head.seq - 1 END AS missing_to
      FROM looked q LEFT JOIN LATERAL (
        SELECT f.seq, b.known, CASE
               WHEN f.dead_at IS NOT NULL THEN 'dead'
               WHEN b.known + 1 < f.seq AND f.received_at < statement_timestamp()
                    - make_interval(secs => CAST(:gap_seconds AS double precision)) THEN 'gap'
               WHEN f.payload IS NULL THEN 'unfilled'
               WHEN f.last_failed_at > coalesce(greatest(f.redriven_at, f.replayed_at), '-infinity')
                    THEN 'retrying' ELSE 'waiting' END AS state
          FROM (SELECT f.* FROM $inbox_event f
                 WHERE f.consumer_group = q.consumer_group AND f.order_id = q.order_id AND f.seq <= q.seq
                   AND f.delivered_at IS NULL AND f.given_up_at IS NULL ORDER BY f.seq LIMIT 1) f,
               LATERAL (SELECT CASE WHEN f.is_first THEN f.seq - 1 ELSE coalesce(max(b.seq), 0) END AS known
                          FROM $inbox_event b WHERE b.consumer_group = f.consumer_group
                           AND b.order_id = f.order_id AND b.seq < f.seq) b
      ) head ON TRUE
), judged AS (
    SELECT q.*, CASE WHEN q.given_up_at IS NOT NULL THEN 'given_up' WHEN q.dead_at IS NOT NULL THEN 'dead'
                     WHEN q.seq = q.head_seq OR q.first_state = 'waiting' THEN q.first_state
                     ELSE 'behind' END AS state
      FROM headed q
), told AS (
    SELECT q.event_id, q.order_id, coalesce(q.seq, q.was_seq) AS seq, q.event_type, q.state,
           CASE q.state WHEN 'behind' THEN 'blocked' WHEN 'gap' THEN 'gap'
                        ELSE q.error_class END AS error_class,
           q.error_code AS code, q.error_message AS message, q.attempts, q.first_failed_at, q.last_failed_at,
           CASE q.state WHEN 'dead' THEN q.dead_at WHEN 'given_up' THEN q.given_up_at
                        WHEN 'retrying' THEN coalesce(q.first_failed_at, q.last_failed_at)
                        ELSE coalesce(q.replayed_at, q.received_at) END AS since,
           q.due_at, q.head_seq, q.first_state AS head_state, q.missing_from, q.missing_to
      FROM judged q
), fitting AS (SELECT * FROM told WHERE state = ANY(CAST(:states AS text[])) $fitting
)
"""
_LIST = "$judged SELECT * FROM fitting ORDER BY since, order_id, seq LIMIT CAST(:limit AS bigint)"
_COUNT = """$judged
SELECT coalesce(error_class, ''), coalesce(code, ''), event_type, count(*) FROM fitting GROUP BY 1, 2, 3
"""
_AGES = """$judged
SELECT coalesce(error_class, state), count(*) FILTER (WHERE age < interval '1 hour'),
       count(*) FILTER (WHERE age >= interval '1 hour' AND age < interval '1 day'),
       count(*) FILTER (WHERE age >= interval '1 day' AND age < interval '7 days'),
       count(*) FILTER (WHERE age >= interval '7 days'), min(since)
  FROM (SELECT *, statement_timestamp() - since AS age FROM fitting) aged GROUP BY 1 ORDER BY min(since)
"""
_PLACES = {"order_id": "q.order_id = :order_id", "event_id": "q.event_id = :event_id"}
_CONDITIONS = {
    "error_class": "error_class = :error_class",
    "code": "code = :code",
    "event_type": "event_type = :event_type",
    "since": "since >= :since",
    "until": "since < :until",
}
_NO_LIMIT = 2**62


class StuckEvents:
    """The view of one group's inbox; every method is one statement, and changes nothing."""

    def __init__(self, engine: AsyncEngine, *, group: str, gap_seconds: float) -> None:
        self._engine = engine
        self._values = {"consumer_group": group, "gap_seconds": gap_seconds}

    async def listed(self, chosen: Filter) -> list[StuckEvent]:
        """The events that fit, oldest trouble first."""
        limit = _NO_LIMIT if chosen.limit is None else chosen.limit
        return [StuckEvent(*row) for row in await self._ask(_LIST, chosen, limit=limit)]

    async def kinds(self, chosen: Filter) -> Kinds:
        """How many there are in the states of the filter, whatever else it asks for, and of which kinds."""
        tallies: list[dict[str, int]] = [{}, {}, {}]
        events = 0
        for *kinds, count in await self._ask(_COUNT, Filter(states=chosen.states)):
            events += count
            for tally, kind in zip(tallies, kinds, strict=True):
                if kind:
                    tally[kind] = tally.get(kind, 0) + count
        return Kinds(events, *tallies)

    async def ages(self, chosen: Filter) -> list[Ages]:
        """Class by age."""
        return [Ages(*row) for row in await self._ask(_AGES, chosen)]

    async def _ask(self, template: str, chosen: Filter, **values: Any) -> Sequence[Any]:
        asked = {name: getattr(chosen, name) for name in (*_PLACES, *_CONDITIONS)}
        asked = {name: value for name, value in asked.items() if value is not None}
        words = {
            "judged": _JUDGED,
            "looked": _LOOKED + (_GIVEN_UP if State.GIVEN_UP in chosen.states else ""),
            "chosen": "".join(f" AND {_PLACES[name]}" for name in asked if name in _PLACES),
            "fitting": "".join(f" AND {_CONDITIONS[name]}" for name in asked if name in _CONDITIONS),
        }
        states = [state.value for state in chosen.states]
        asking = statement(self._engine, template, **words)
        return await driver_fetch(self._engine, asking, {**self._values, **asked, **values, "states": states})
