"""PostgreSQL readiness: waits for a database at the start, and tells later whether it serves this build."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_connection
from kits.postgres.engine import where
from kits.postgres.errors import Fault, fault_of, sqlstate
from kits.postgres.migrations import History
from kits.postgres.outages import sentence
from kits.postgres.pools import run_again_once
from kits.postgres.write_probe import WriteProbe
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_BACKOFF = Backoff(base_seconds=0.5, cap_seconds=3.0)
_VALID_SECONDS = 1.0
# Within the two seconds that a health check has.
_BRIEFLY = text("SET LOCAL lock_timeout = '500ms'")


class DatabaseUnreachableError(Exception):
    """The database did not answer within the bound."""

    code = "database_unreachable"


class DatabaseNotReadyError(Exception):
    """The database answers and cannot be used; the text says what to do."""

    code = "database_not_ready"


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


async def reachable_before(stop: asyncio.Event, engine: AsyncEngine, *, within_seconds: float) -> bool:
    """As `wait_until_reachable`; False if `stop` was set meanwhile.

    Raises:
        As `wait_until_reachable`.
    """
    waiting = asyncio.create_task(wait_until_reachable(engine, within_seconds=within_seconds))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        waiting.cancel()
        return False
    waiting.result()
    return True


class DatabaseHealth:
    """Ready while the database's schema is this build's head, or newer, and (with a probe) can be written.

    Where a process serves, the engine is for nothing else: a check never waits behind the process's own work.
    Whoever asks more often than once a second gets the former answer.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        history: History,
        probe: WriteProbe | None = None,
        *,
        migrate_command: str,
        name: str = "database",
    ) -> None:
        self.name = name
        self.is_refused = False
        """Whether what the last check found stays so until somebody acts."""
        self._engine = engine
        self._history = history
        self._probe = probe
        self._migrate_command = migrate_command
        self._one_at_a_time = asyncio.Lock()
        self._result = CheckResult(Status.UNREADY)
        self._valid_until = -math.inf

    async def check(self) -> CheckResult:
        """Unready when the database is away, read-only, full, not migrated, or refuses a right."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._valid_until:
                self._result = await self._look()
                self._valid_until = time.monotonic() + _VALID_SECONDS
            return self._result

    async def _look(self) -> CheckResult:
        self.is_refused = False
        try:
            return await run_again_once(self._try)
        except Exception as error:
            match fault_of(error):
                case Fault.BUG | Fault.DEFINITE:
                    raise
                case Fault.BUSY | Fault.RUN_AGAIN:
                    # Somebody holds a table: whatever waits for it waits, the rest goes on.
                    return CheckResult(
                        Status.DEGRADED, f"A table is locked ({sqlstate(error)}): see who has it."
                    )
                case _:
                    self.is_refused = diagnose_connection(error).lasting
                    return CheckResult(Status.UNREADY, sentence(error, migrate_command=self._migrate_command))

    async def _try(self) -> CheckResult:
        async with self._engine.connect() as connection:
            if lack := await self._history.lack(connection):
                return CheckResult(Status.UNREADY, lack)
            await connection.execute(_BRIEFLY)
            if self._probe and (lacking := await self._probe.run(connection)):
                action = f"run `{self._migrate_command}`, or grant it"
                return CheckResult(Status.UNREADY, f"For this build {lacking}: {action}.")
        return CheckResult(Status.OK)


@asynccontextmanager
async def opened(
    engine: AsyncEngine, ready: DatabaseHealth | None, *, within_seconds: float
) -> AsyncIterator[None]:
    """For a command: its database answers and is `ready`; its connections are closed at the end of the block.

    Raises:
        DatabaseUnreachableError: it does not answer in time.
        DatabaseNotReadyError: it is not ready, if that was asked for.
    """
    try:
        await wait_until_reachable(engine, within_seconds=within_seconds)
        if ready is not None and (found := await ready.check()).status is not Status.OK:
            raise DatabaseNotReadyError(found.detail)
        yield
    finally:
        await engine.dispose()
