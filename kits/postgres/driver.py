"""PostgreSQL, the short way: Core statements compiled once and run by the driver itself.

The engine prepares, binds and wraps results anew for each execution, for five times what the driver needs.
Where a transaction is the bottleneck its statements go this way; the pool stays the engine's.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncEngine

_NOTHING: Mapping[str, Any] = {}


class DriverStatement:
    """A statement as text, and its parameters in the order of their numbers.

    Values are handed to the driver as they are: text for a UUID, JSON as text. Rows come as mappings that
    are tuples too; a UUID comes as an object.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
        self.text = str(compiled)
        self._defaults = {name: compiled.params[name] for name in compiled.positiontup or ()}

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """One argument per number; what `values` does not name was fixed by the statement."""
        return [values.get(name, fixed) for name, fixed in self._defaults.items()]


class DriverTransaction:
    """An open transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: DriverStatement, values: Mapping[str, Any] = _NOTHING) -> Sequence[Any]:
        """Run a statement and read all rows; each text is prepared once per connection."""
        rows: Sequence[Any] = await self._connection.fetch(statement.text, *statement.arguments(values))
        return rows


@asynccontextmanager
async def driver_transaction(engine: AsyncEngine) -> AsyncIterator[DriverTransaction]:
    """A READ COMMITTED transaction on one of the engine's connections; leaving the block commits.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: see kits.postgres.errors. When
            the connection was lost during the COMMIT, whether it took place is unknown.
    """
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            async with driver.transaction(isolation="read_committed"):
                yield DriverTransaction(driver)
        finally:
            # The engine has not seen this connection fail: without this it would lend it again.
            if driver.is_closed():
                await connection.invalidate()
