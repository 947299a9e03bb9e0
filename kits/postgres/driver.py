"""PostgreSQL, the short way: Core statements compiled once and run by the driver itself.

The engine prepares, binds and wraps results anew for each execution, for five times what the driver needs.
Where a transaction is the bottleneck its statements go this way; the pool stays the engine's.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache, partial
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.postgres.errors import condemns_connection
from kits.postgres.pools import condemn, may_run_again, run_again_once
from kits.postgres.schema import schemas_of

_NOTHING: Mapping[str, Any] = {}
_PARAMETER = re.compile(r"\$(\d+)")
_OWN_PARTS = re.compile("^ WITH ")
_COMBINATIONS = 128

Schemas: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs: the schema that a table is declared in, and the one it lies in."""


class DriverStatement:
    """A statement as text, and its parameters in the order of their numbers.

    Values are handed to the driver as they are: text for a UUID, JSON as text. Rows come as mappings that
    are tuples too; a UUID comes as an object.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
        self.text = str(compiled).strip()
        """As its tables are declared."""
        self._statement = statement
        self._elsewhere: dict[Schemas, str] = {}
        self.table = str(getattr(statement, "table", ""))
        """The table that it writes to."""
        self._names: Sequence[str] = compiled.positiontup or ()
        binds = {name: compiled.binds[name] for name in self._names}
        self._fixed = {name: bind.value for name, bind in binds.items() if not bind.required}

    @property
    def parameters(self) -> int:
        """How many parameters it has."""
        return len(self._names)

    def text_in(self, schemas: Schemas) -> str:
        """The text for an engine whose tables lie in these schemas."""
        if not schemas:
            return self.text
        if schemas not in self._elsewhere:
            compiled = self._statement.compile(
                dialect=dialect(),  # type: ignore[no-untyped-call]
                schema_translate_map=dict(schemas),
                render_schema_translate=True,
            )
            self._elsewhere[schemas] = str(compiled).strip()
        return self._elsewhere[schemas]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """One argument per number.

        Raises:
            KeyError: `values` lacks one that the statement itself does not fix.
        """
        return [values[name] if name in values else self._fixed[name] for name in self._names]


class DriverConnection:
    """A connection lent by the engine's pool; outside of a transaction each statement commits by itself."""

    def __init__(self, connection: Any, schemas: Schemas = ()) -> None:
        self._connection = connection
        self._schemas = schemas
        self._waiting: dict[DriverStatement, list[Any]] = {}

    async def fetch(self, statement: DriverStatement, values: Mapping[str, Any] = _NOTHING) -> Sequence[Any]:
        """Run a statement, after what waits, and read all rows; a text is prepared once per connection.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: see kits.postgres.errors.
        """
        await self.flush()
        text = statement.text_in(self._schemas)
        rows: Sequence[Any] = await self._connection.fetch(text, *statement.arguments(values))
        return rows

    async def write(self, statement: DriverStatement, values: Mapping[str, Any]) -> None:
        """Run a write together with others, at the latest before the commit; its errors come then.

        Writes that wait together are one statement to the server: they do not see each other, and only the
        last may have parts (`WITH`). Two writes to one table never wait together.

        Raises:
            As `fetch`, for the writes that waited.
        """
        if any(statement.table == other.table for other in self._waiting):
            await self.flush()
        self._waiting[statement] = statement.arguments(values)

    async def flush(self) -> Sequence[Any]:
        """Run what waits, in one round trip; the rows that the last of the writes returns.

        Raises:
            As `fetch`.
        """
        if not self._waiting:
            return ()
        waiting, self._waiting = self._waiting, {}
        rows: Sequence[Any] = await self._connection.fetch(
            _together(tuple(waiting), self._schemas), *chain.from_iterable(waiting.values())
        )
        return rows

    @asynccontextmanager
    async def transaction(self, *, lock_seconds: float | None = None) -> AsyncIterator[None]:
        """READ COMMITTED; leaving the block commits, an exception rolls back.

        When the connection is lost during the COMMIT, whether it took place is unknown. A lock is waited for
        `lock_seconds`, by default for the session's lock_timeout; the bound costs no round trip.
        """
        bound = "" if lock_seconds is None else f"; {_lock_timeout(lock_seconds)}"
        await self._connection.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED{bound}")
        try:
            yield
        except BaseException:
            if not self._connection.is_closed():
                await self._connection.execute("ROLLBACK")
            raise
        await self._connection.execute("COMMIT")

    async def bound_locks(self, lock_seconds: float | None) -> None:
        """From now on wait for a lock no longer than this (None: the session's), in this transaction."""
        await self._connection.execute(_lock_timeout(lock_seconds))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A block whose exception takes back what was done in it, and leaves the transaction usable."""
        await self.flush()
        await self._connection.execute("SAVEPOINT attempt")
        try:
            yield
        except Exception:
            await self._connection.execute("ROLLBACK TO SAVEPOINT attempt")
            raise
        await self._connection.execute("RELEASE SAVEPOINT attempt")


@asynccontextmanager
async def driver_connection(engine: AsyncEngine) -> AsyncIterator[DriverConnection]:
    """One of the engine's connections, for the driver alone: nothing may run on it through the engine.

    A fault that condemns it (see kits.postgres.errors) throws away all that were opened before it.
    """
    async with engine.connect() as connection:
        lent = await connection.get_raw_connection()
        driver: Any = lent.driver_connection
        condemned = False
        try:
            yield DriverConnection(driver, tuple(schemas_of(connection).items()))
        except Exception as error:
            condemned = condemns_connection(error)
            raise
        finally:
            # The engine has not seen this connection fail: without this it would lend it again.
            if condemned:
                await condemn(connection, lent)
            elif driver.is_closed() or driver.is_in_transaction():
                # Nor one whose transaction its task was torn from.
                await connection.invalidate()


@asynccontextmanager
async def driver_transaction(
    engine: AsyncEngine, *, lock_seconds: float | None = None
) -> AsyncIterator[DriverConnection]:
    """A transaction on a connection of its own, see `DriverConnection.transaction`.

    A connection that can't even begin one is replaced; nobody notices.
    """
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(_begun(engine, lock_seconds))
        except Exception as error:
            if not may_run_again(error):
                raise
            connection = await stack.enter_async_context(_begun(engine, lock_seconds))
        yield connection
        await connection.flush()


async def driver_fetch(
    engine: AsyncEngine, statement: DriverStatement, values: Mapping[str, Any] = _NOTHING
) -> Sequence[Any]:
    """One statement, which commits by itself; once more on a new connection if the first was of no use.

    It must bear to be run twice: when a connection is lost, whether it has committed is unknown.

    Raises:
        As `DriverConnection.fetch`.
    """
    return await run_again_once(partial(_fetch_alone, engine, statement, values))


async def _fetch_alone(
    engine: AsyncEngine, statement: DriverStatement, values: Mapping[str, Any]
) -> Sequence[Any]:
    async with driver_connection(engine) as connection:
        return await connection.fetch(statement, values)


@asynccontextmanager
async def _begun(engine: AsyncEngine, lock_seconds: float | None) -> AsyncIterator[DriverConnection]:
    async with driver_connection(engine) as connection, connection.transaction(lock_seconds=lock_seconds):
        yield connection


async def beneath(connection: AsyncConnection) -> DriverConnection:
    """The driver's side of an engine's connection; what runs there belongs to the engine's transaction."""
    driver = (await connection.get_raw_connection()).driver_connection
    return DriverConnection(driver, tuple(schemas_of(connection).items()))


@lru_cache(maxsize=_COMBINATIONS)
def _together(statements: tuple[DriverStatement, ...], schemas: Schemas) -> str:
    """`WITH write_0 AS (…), write_1 AS (…) …`: all of them are carried out, whether they are read or not."""
    texts: list[str] = []
    shift = 0
    for statement in statements:
        texts.append(_renumbered(statement.text_in(schemas), shift))
        shift += statement.parameters
    *others, last = texts
    named = ", ".join(f"write_{index} AS ({text})" for index, text in enumerate(others))
    return f"WITH {named}{_OWN_PARTS.sub(', ', f' {last}')}" if named else last


def _lock_timeout(seconds: float | None) -> str:
    return f"SET LOCAL lock_timeout = {'DEFAULT' if seconds is None else round(seconds * 1000)}"


def _renumbered(text: str, shift: int) -> str:
    return _PARAMETER.sub(lambda number: f"${int(number[1]) + shift}", text)
