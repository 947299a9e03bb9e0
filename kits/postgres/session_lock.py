"""PostgreSQL locks: what one process of many does, until its session ends."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.postgres.outages import outage_suppressed

_ANSWER_SECONDS = 5.0
# Taken by whoever has it, it is theirs once more: one question for both.
_TRY = "SELECT pg_try_advisory_lock(hashtext($1), hashtext($2))"


class SessionLock:
    """An advisory lock that lasts as long as a connection: when its holder dies the next process gets it.

    Nobody waits for it: who wants it asks again and again. One connection of the engine is kept meanwhile.
    """

    def __init__(self, engine: AsyncEngine, name: str, *, schema: str) -> None:
        self._engine = engine
        self._name = name
        self._schema = schema
        self._connection: AsyncConnection | None = None

    async def is_ours(self) -> bool:
        """Whether this process has it now, if need be from now on. False while the database is away."""
        ours = False
        with outage_suppressed():
            try:
                ours = await self._try()
            except Exception:
                await self.give_back()
                raise
        return ours

    async def give_back(self) -> None:
        """End the session, and with it what it holds."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()

    async def _try(self) -> bool:
        if self._connection is None:
            self._connection = await self._engine.connect()
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        return bool(await driver.fetchval(_TRY, self._name, self._schema, timeout=_ANSWER_SECONDS))
