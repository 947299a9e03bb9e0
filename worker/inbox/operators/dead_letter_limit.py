"""Inbox, operators: the dead-letter limit of a group, while it stands: why, and its release."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import driver_fetch, driver_transaction
from worker.inbox.operators.audit import Note, write_notes
from worker.inbox.sql import statement

_STANDING = """
SELECT g.tripped_at, CAST(coalesce(g.trip, '{}') AS text), g.success_began_at, g.opened_at FROM $inbox_group g
 WHERE g.consumer_group = :consumer_group
"""
_RELEASE = """
UPDATE $inbox_group g SET tripped_at = NULL, deaths = '{}'
 WHERE g.consumer_group = :consumer_group AND g.tripped_at IS NOT NULL
RETURNING CAST(coalesce(g.trip, '{}') AS text)
"""


class Refusals(msgspec.Struct, frozen=True):
    """How many of the dead had one reason."""

    error_class: str = ""
    code: str = ""
    reason: str = ""
    count: int = 0

    def __str__(self) -> str:
        return f"{self.count} x {self.error_class} {self.code}: {self.reason}"


class Trip(msgspec.Struct, frozen=True):
    """What the limit stood for: the dead by class, code and reason, and three of the events."""

    tally: Sequence[Refusals] = ()
    event_ids: Sequence[str] = ()


class GroupView(msgspec.Struct, frozen=True):
    """What all workers of a group share; `tripped_at` is None unless the limit stands.

    `success_began_at` is when the call of the latest success began, `opened_at` when a worker last found the
    platform away.
    """

    tripped_at: datetime | None = None
    trip: Trip = Trip()
    success_began_at: datetime | None = None
    opened_at: datetime | None = None


async def group_view(engine: AsyncEngine, group: str) -> GroupView:
    """How the group stands."""
    for at, trip, *moments in await driver_fetch(
        engine, statement(engine, _STANDING), {"consumer_group": group}
    ):
        return GroupView(at, msgspec.json.decode(trip, type=Trip), *moments)
    return GroupView()


async def release_limit(engine: AsyncEngine, note: Note) -> Trip | None:
    """Let the group go on; what the limit stood for, None if it did not stand.

    Workers notice within seconds. One event goes first, the rest when the platform has taken it.
    """
    async with driver_transaction(engine) as connection:
        for (trip,) in await connection.fetch(
            statement(engine, _RELEASE), {"consumer_group": note.consumer_group}
        ):
            released = msgspec.json.decode(trip, type=Trip)
            await write_notes(connection, note, [(None, None, "; ".join(map(str, released.tally)))])
            return released
    return None
