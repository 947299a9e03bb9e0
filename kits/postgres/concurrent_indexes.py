"""PostgreSQL indexes on tables that are in use: built beside the writers, after the migrations."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.logs import get_logger
from kits.postgres.connect import transaction_bound
from kits.postgres.identifiers import quoted

log = get_logger(__name__)

_BUILD_SECONDS = 3600
_POLL_SECONDS = 0.2
_LOCK = "SELECT pg_try_advisory_lock(hashtext('concurrent indexes'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('concurrent indexes'))"
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


class ConcurrentIndex(NamedTuple):
    """An index that a migration asks for; `definition` is what follows the table's name."""

    name: str
    table: str
    definition: str
    is_unique: bool = False


async def build_indexes(engine: AsyncEngine, schema: str, indexes: Iterable[ConcurrentIndex]) -> None:
    """Build those that are missing, or were cut short before; nobody who writes waits for it.

    It must stand outside of any transaction. It waits for the transactions that are older, an hour in all;
    what fails leaves an index that nobody uses, and the next call builds it anew.

    Raises:
        asyncpg.PostgresError, TimeoutError: an index was not built.
    """
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            for index in indexes:
                await _build(driver, schema, index)
        finally:
            # Its session has the settings of a builder.
            await connection.invalidate()


async def _build(driver: Any, schema: str, index: ConcurrentIndex) -> None:
    name = f"{quoted(schema)}.{quoted(index.name)}"
    table = f"{quoted(schema)}.{quoted(index.table)}"
    if await driver.fetchval(_VALID, name):
        return
    unbound = f"SET statement_timeout = '{_BUILD_SECONDS}s'; SET lock_timeout = 0"
    await driver.execute(f"{unbound}; {transaction_bound(0)}")
    # Not waited for in the server: the one that builds would wait for us in turn.
    async with asyncio.timeout(_BUILD_SECONDS):
        while not await driver.fetchval(_LOCK):  # noqa: ASYNC110 - it is the server that knows
            await asyncio.sleep(_POLL_SECONDS)
    valid = await driver.fetchval(_VALID, name)
    if valid is False:
        await driver.execute(f"DROP INDEX CONCURRENTLY {name}", timeout=_BUILD_SECONDS)
    if not valid:
        log.info("index_building", index=index.name)
        kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
        create = f"CREATE {kind} CONCURRENTLY {quoted(index.name)} ON {table} {index.definition}"
        await driver.execute(create, timeout=_BUILD_SECONDS)
    await driver.fetchval(_UNLOCK)
