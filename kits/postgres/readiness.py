"""PostgreSQL readiness: waits for a database at the start, and tells later whether it serves this build."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_connection
from kits.postgres.engine import where
from kits.postgres.errors import Fault, fault_of
from kits.postgres.migrations import History
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_BACKOFF = Backoff(base_seconds=0.5, cap_seconds=3.0)


class DatabaseUnreachableError(Exception):
    """The database did not answer within the bound."""

    code = "database_unreachable"


async def wait_until_reachable(engine: AsyncEngine, *, within_seconds: float) -> None:
    """Try to connect, with back-off, until the database answers; a refusal that waiting cannot mend ends it.

    Raises:
        DatabaseUnreachableError: refused, or not within `within_seconds`; the text says what to do.
    """
    give_up_at = asyncio.get_running_loop().time() + within_seconds
    attempt = 0
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                return
        except CONNECTION_ERRORS as error:
            found = diagnose_connection(error)
        attempt += 1
        wait = _BACKOFF.wait_seconds(attempt)
        if found.lasting or asyncio.get_running_loop().time() + wait > give_up_at:
            raise DatabaseUnreachableError(f"The database at {where(engine)} {found.found}: {found.action}.")
        log.warning(
            "database_unreachable", database=where(engine), reason=found.found, attempt=attempt,
            action=f"{found.action}; trying again",
        )  # fmt: skip
        await asyncio.sleep(wait)


class DatabaseHealth:
    """Ready while the database answers and its schema is this build's head, or newer."""

    name = "database"

    def __init__(self, engine: AsyncEngine, history: History, *, migrate_command: str) -> None:
        self._engine = engine
        self._history = history
        self._migrate_command = migrate_command

    async def check(self) -> CheckResult:
        """Unready when the database is away or was not migrated."""
        try:
            async with self._engine.connect() as connection:
                revision = await self._history.current(connection)
        except Exception as error:
            if fault_of(error) is Fault.BUG:
                raise
            return CheckResult(Status.UNREADY, f"The database does not answer ({type(error).__name__}).")
        if not self._history.is_current(revision):
            return CheckResult(
                Status.UNREADY, f"The schema is at {revision or 'nothing'}: run `{self._migrate_command}`."
            )
        return CheckResult(Status.OK)
