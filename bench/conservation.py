"""Accepted = rows = events: checked after every run, and order by order at the end."""

import asyncio
from collections.abc import Sequence

import asyncpg

from bench.shop import Shop
from bench.topic import TopicWatch

_AT_REST_SECONDS = 0.1
_LOOK_SECONDS = 0.02
_COMPLETE_WITHIN_SECONDS = 60.0
_TABLES = ("orders", "outbox_event", "idempotency_keys")


class Conservation:
    """Compares what the processes answered with the tables and the topic."""

    def __init__(self, database_url: str, topic: TopicWatch, shops: Sequence[Shop]) -> None:
        self._database_url = database_url
        self._topic = topic
        self._shops = shops

    async def accepted(self) -> int:
        """Orders answered 202 so far, by all processes."""
        return sum([(await shop.counts()).accepted for shop in self._shops])

    async def others(self) -> int:
        """Answers to POST /orders other than 202 so far."""
        return sum([(await shop.counts()).others for shop in self._shops])

    async def topic_complete_seconds(self) -> float | None:
        """How long from now until every accepted order is in the topic and nothing moves; None: not in 60 s.

        A generator that hangs up leaves requests under way; they end as orders too, and are counted.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        equal_at, of = began, -1
        while loop.time() - began < _COMPLETE_WITHIN_SECONDS:
            accepted = await self.accepted()
            if await self._topic.count() != accepted:
                of = -1
            elif of != accepted:
                equal_at, of = loop.time(), accepted
            elif loop.time() - equal_at >= _AT_REST_SECONDS:
                return equal_at - began
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def counts(self) -> dict[str, int]:
        """Accepted orders, rows by table, unpublished rows, and events in the topic."""
        connection = await asyncpg.connect(self._database_url, timeout=10)
        try:
            rows = {
                table: int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608
                for table in _TABLES
            }
            unpublished = await connection.fetchval(
                "SELECT count(*) FROM outbox_event WHERE published_at IS NULL"
            )
        finally:
            await connection.close(timeout=10)
        return {
            "accepted": await self.accepted(),
            **rows,
            "unpublished": int(unpublished),
            "events": await self._topic.count(),
        }

    async def complaints(self) -> list[str]:
        """What does not agree, one sentence each; reads the whole topic."""
        counts = await self.counts()
        equal = {name: number for name, number in counts.items() if name != "unpublished"}
        found = [] if len(set(equal.values())) == 1 else [f"These must be equal: {equal}."]
        if counts["unpublished"]:
            found.append(f"{counts['unpublished']} events are not marked published.")
        connection = await asyncpg.connect(self._database_url, timeout=10)
        try:
            stored = {str(row[0]) for row in await connection.fetch("SELECT id FROM orders")}
        finally:
            await connection.close(timeout=10)
        told = await self._topic.order_ids()
        if stored != set(told) or len(told) != len(stored):
            found.append(f"{len(stored ^ set(told))} orders are in the table or in the topic only.")
        return found
