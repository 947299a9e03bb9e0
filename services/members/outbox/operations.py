"""Outbox: what an operator does about events that Kafka refused: send them again, or give them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.actions import Actions
from kits.outbox.operating import outages_told, portions
from kits.postgres.driver import driver_transaction
from services.members.outbox.table import member_event

_row = member_event.c
_DEAD = (
    select(_row.id, _row.member_id, _row.number, _row.topic, _row.attempts, _row.last_error, _row.dead_at)
    .where(_row.dead_at.is_not(None), _row.done_at.is_(None), _row.given_up_at.is_(None))
    .order_by(_row.id)
)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that Kafka refused by itself; later ones of its member and topic wait behind it."""

    event_id: str
    member_id: str
    version: int
    topic: str
    attempts: int
    error: str | None
    dead_at: datetime


class OutboxOperations:
    """State changes of at most 1,000 rows a transaction; the running processes do the rest. Safe twice.

    Raises:
        OutboxUnavailableError: the database is away; the same again is safe.
    """

    def __init__(self, engine: AsyncEngine, actions: Actions) -> None:
        self._engine = engine
        self._actions = actions

    async def dead(self, *, member_id: str | None = None) -> list[DeadEvent]:
        """All dead events, or those of this member."""
        query = _DEAD if member_id is None else _DEAD.where(_row.member_id == member_id)
        with outages_told():
            async with self._engine.connect() as connection:
                return [DeadEvent(*row) for row in await connection.execute(query)]

    async def retry(self, event_ids: Sequence[str]) -> int:
        """Let dead events be sent again; returns how many were dead until now."""
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    count += len((await self._actions.redrive(connection, some)).changed)
        return count

    async def abandon(self, event_ids: Sequence[str]) -> int:
        """Give dead events up; returns how many. The next change of the member tells everything anew."""
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    count += len((await self._actions.give_up(connection, some)).changed)
        return count
