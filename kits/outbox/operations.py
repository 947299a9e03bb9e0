"""Outbox kit, operators: what is done about events that Kafka refused: send them again, or give them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.actions import Actions
from kits.outbox.operating import outages_told, portions
from kits.postgres.driver import driver_transaction


@dataclass(frozen=True, slots=True)
class DeadVersion:
    """An event that Kafka refused by itself; later ones of its subject and topic wait behind it."""

    event_id: str
    subject: str
    """Whose version it tells."""
    version: int
    topic: str
    attempts: int
    error: str | None
    dead_at: datetime


class VersionOperations:
    """State changes of at most 1,000 rows a transaction; the running processes do the rest. Safe twice.

    Raises:
        OutboxUnavailableError: the database is away; the same again is safe.
    """

    def __init__(self, engine: AsyncEngine, actions: Actions, events: Table, subject: Column[str]) -> None:
        """Args: events: an event_table(); subject: its column that says whose version an event tells."""
        self._engine = engine
        self._actions = actions
        self._subject = subject
        row = events.c
        self._dead = (
            select(row.id, subject, row.number, row.topic, row.attempts, row.last_error, row.dead_at)
            .where(row.dead_at.is_not(None), row.done_at.is_(None), row.given_up_at.is_(None))
            .order_by(row.id)
        )

    async def dead(self, *, subject: str | None = None) -> list[DeadVersion]:
        """All dead events, or those of this subject."""
        query = self._dead if subject is None else self._dead.where(self._subject == subject)
        with outages_told():
            async with self._engine.connect() as connection:
                return [DeadVersion(*row) for row in await connection.execute(query)]

    async def retry(self, event_ids: Sequence[str]) -> int:
        """Let dead events be sent again; returns how many were dead until now."""
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    count += len((await self._actions.redrive(connection, some)).changed)
        return count

    async def abandon(self, event_ids: Sequence[str]) -> int:
        """Give dead events up; returns how many. The next change of the subject tells everything anew."""
        count = 0
        for some in portions(event_ids):
            with outages_told():
                async with driver_transaction(self._engine) as connection:
                    count += len((await self._actions.give_up(connection, some)).changed)
        return count
