"""Ledger: can it be used now? Its database answers, and its tables are those of this build or newer."""

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.health import CheckResult, Status
from kits.postgres.migrations import History
from worker.delivery.ports import LedgerUnavailableError
from worker.ledger.errors import ledger_errors


class LedgerCheck:
    """The health check of the ledger; at the start it is asked until it is ok."""

    name = "ledger"

    def __init__(self, engine: AsyncEngine, history: History) -> None:
        self._engine = engine
        self._history = history

    async def check(self) -> CheckResult:
        """One round trip to the database."""
        try:
            with ledger_errors():
                async with self._engine.connect() as connection:
                    revision = await self._history.current(connection)
        except LedgerUnavailableError as error:
            return CheckResult(Status.UNREADY, f"{error} Check WORKER_DATABASE_URL or DATABASE_URL.")
        if self._history.is_current(revision):
            return CheckResult(Status.OK)
        found = f"at revision {revision}" if revision else "without tables"
        return CheckResult(
            Status.UNREADY, f"The ledger's database is {found}: run `python -m worker migrate`."
        )
