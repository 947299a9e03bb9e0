"""Inbox, rule: what all workers of a group share: the latest success, the last outage, the dead-letter limit.

The limit is that of arroyo's DlqLimit: many dead letters at once have another cause than the events.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.logs import get_logger
from kits.ordered_queue.item import Settlement
from kits.postgres.driver import DriverConnection, DriverStatement, driver_transaction
from kits.postgres.outages import outage_suppressed
from kits.postgres.schema import qualified
from kits.resilience.breaker import Breaker
from kits.resilience.clock import Clock
from worker.inbox.table import inbox_event, inbox_group

log = get_logger(__name__)

LIMIT = 10
WINDOW = 200
_EVERY_SECONDS = 1.0
_SAMPLES = 3
_TALLIED = 20

_NOTE = """
INSERT INTO $group AS g (consumer_group, success_began_at, opened_at, judged)
VALUES (:of_group, clock_timestamp() - make_interval(secs => CAST(:success_age AS double precision)),
        CASE WHEN CAST(:opened AS boolean) THEN clock_timestamp() END, CAST(:judged AS bigint))
ON CONFLICT (consumer_group) DO UPDATE
   SET success_began_at = coalesce(excluded.success_began_at, g.success_began_at),
       opened_at = coalesce(excluded.opened_at, g.opened_at), judged = g.judged + excluded.judged,
       trip = CASE WHEN excluded.success_began_at IS NULL OR g.tripped_at IS NOT NULL THEN g.trip END
RETURNING g.judged, g.deaths, g.tripped_at, CAST(g.trip AS text)
"""
_DIED = """
UPDATE $group g SET judged = CAST(:judged AS bigint), deaths = CAST(CAST(:deaths AS text) AS bigint[])
 WHERE g.consumer_group = :of_group
"""
_TRIP = """
UPDATE $group g SET tripped_at = clock_timestamp(), trip = CAST(CAST(:trip AS text) AS jsonb)
 WHERE g.consumer_group = :of_group AND g.tripped_at IS NULL
"""
_COUNTED = """
SELECT q.event_id FROM $event q
 WHERE q.consumer_group = :of_group AND q.event_id = ANY(CAST(:ids AS text[])) AND q.redriven_at IS NULL
"""
_TALLY = """
SELECT d.error_class, coalesce(d.error_code, ''), coalesce(d.error_message, ''), count(*) FROM (
    SELECT q.* FROM $event q
     WHERE q.consumer_group = :of_group AND q.dead_at IS NOT NULL AND q.delivered_at IS NULL
       AND q.given_up_at IS NULL
     ORDER BY q.dead_at DESC, q.event_id LIMIT CAST(:dead AS bigint)) d
 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT CAST(:tallied AS bigint)
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """The group's row, locked by the transaction that read it."""

    judged: int
    deaths: Sequence[int]
    is_tripped: bool
    openings: int
    """How often the platform was lost here, as of now."""


class GroupState:
    """One process's view of its group's row, and what it has to add to it. Kept in step every second.

    Times are the database's: a call began as long ago as the holder's clock says. They are set, not raised,
    so a clock that steps back only makes the next judgement come later.
    """

    def __init__(self, engine: AsyncEngine, group: str, breaker: Breaker, clock: Clock) -> None:
        self._engine = engine
        self._group = group
        self._breaker = breaker
        self._clock = clock
        names = {"$group": qualified(inbox_group, engine), "$event": qualified(inbox_event, engine)}
        self._note, self._died, self._trip, self._counted, self._tally = (
            _statement(template, names) for template in (_NOTE, _DIED, _TRIP, _COUNTED, _TALLY)
        )
        self._success_began = -1.0
        self._judged = 0
        self._openings = 0
        self.is_known = False
        """Whether the row has been read since the start of this process."""
        self.is_tripped = False
        """The dead-letter limit stands: nothing is to be sent until an operator releases it."""
        self.is_on_trial = False
        """It was released, and nothing has been taken since: one event at a time is to be sent."""
        self._is_past_trial = False
        self.trip: Mapping[str, Any] = {}
        """Of the last trip, until something is taken after its release.

        `tally` (error_class, code, reason, count), `event_ids` (three).
        """

    async def run(self) -> None:
        """Keep in step until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Write what is new here, and read what others have done; while the database is away, later."""
        with outage_suppressed():
            async with driver_transaction(self._engine) as connection:
                shared = await self.lock(connection)
            self.written(shared)

    def succeeded(self, done: Sequence[Settlement]) -> None:
        """Remember these, until the row is written next."""
        self._judged += len(done)
        self._success_began = max([self._success_began, *(one.began for one in done)])

    def pass_trial(self) -> None:
        """An event was taken: the rest may go."""
        self.is_on_trial, self._is_past_trial = False, True

    async def lock(self, connection: DriverConnection) -> Shared:
        """Write what is new here in the caller's transaction, and lock the row until its end.

        Successes that a transaction loses are made up for by the next; an outage is written until it is kept.
        """
        openings = self._breaker.closings + (not self._breaker.is_closed)
        began, judged = self._success_began, self._judged
        values = {
            "of_group": self._group,
            "success_age": self._clock.now() - began if began >= 0 else None,
            "opened": openings > self._openings,
            "judged": judged,
        }
        ((count, deaths, tripped_at, trip),) = await connection.fetch(self._note, values)
        self._judged -= judged
        self._success_began = -1.0 if self._success_began == began else self._success_began
        self.is_known, self.is_tripped = True, tripped_at is not None
        self.trip = msgspec.json.decode(trip) if trip else {}
        # A success ends the trial here at once, and in the row when it is written.
        self._is_past_trial &= bool(self.trip) and not self.is_tripped
        self.is_on_trial = bool(self.trip) and not self.is_tripped and not self._is_past_trial
        return Shared(count, deaths, self.is_tripped, openings)

    def written(self, shared: Shared) -> None:
        """The transaction is committed."""
        self._openings = max(self._openings, shared.openings)

    async def admits(
        self, connection: DriverConnection, shared: Shared, event_ids: Sequence[str]
    ) -> dict[str, Any] | None:
        """Count these deaths, under the row's lock; what the trip would say if they are too many.

        One that was redriven does not count.
        """
        values = {"of_group": self._group, "ids": list(event_ids)}
        counted = len(await connection.fetch(self._counted, values))
        judged = shared.judged + counted
        deaths = [*shared.deaths, *range(shared.judged + 1, judged + 1)]
        deaths = [death for death in deaths if death > judged - WINDOW]
        if shared.is_tripped or (counted and len(deaths) > LIMIT):
            return await self._trip_of(connection, len(deaths), event_ids)
        document = "{" + ",".join(map(str, deaths)) + "}"
        await connection.fetch(self._died, {"of_group": self._group, "judged": judged, "deaths": document})
        return None

    async def trip_by(self, connection: DriverConnection, trip: dict[str, Any]) -> None:
        """The limit stands from now on, if it did not yet; after the commit everybody will see it."""
        document = msgspec.json.encode(trip).decode()
        await connection.fetch(self._trip, {"of_group": self._group, "trip": document})
        if not self.is_tripped:
            self.is_tripped, self.trip = True, trip
            log.error(
                "dead_letter_limit_tripped", group=self._group, **trip,
                action="nothing is sent: mend the cause, then `python -m worker dlq release --reason TEXT`",
            )  # fmt: skip

    async def _trip_of(
        self, connection: DriverConnection, dead: int, event_ids: Sequence[str]
    ) -> dict[str, Any]:
        values = {"of_group": self._group, "dead": dead, "tallied": _TALLIED}
        tally = [
            {"error_class": error_class, "code": code, "reason": reason, "count": count}
            for error_class, code, reason, count in await connection.fetch(self._tally, values)
        ]
        return {"tally": tally, "event_ids": sorted(event_ids)[:_SAMPLES]}


def _statement(template: str, names: Mapping[str, str]) -> DriverStatement:
    for word, name in names.items():
        template = template.replace(word, name)
    return DriverStatement(text(template))
