"""Ledger: can it be used now? Its database answers, and its tables are those of this build or newer."""

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.health import CheckResult, Status
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_connection
from kits.postgres.migrations import History


class LedgerCheck:
    """The health check of the ledger; at the start it is asked until it is ok, or refused for good."""

    name = "ledger"

    def __init__(self, engine: AsyncEngine, history: History) -> None:
        self._engine = engine
        self._history = history
        self.is_refused = False
        """Whether what the last check found stays so until somebody acts."""

    async def check(self) -> CheckResult:
        """One round trip to the database."""
        self.is_refused = False
        try:
            async with self._engine.connect() as connection:
                lack = await self._history.lack(connection)
        except CONNECTION_ERRORS as error:
            found = diagnose_connection(error)
            self.is_refused = found.lasting
            return CheckResult(Status.UNREADY, f"The ledger's database {found.found}: {found.action}.")
        return CheckResult(Status.UNREADY, lack) if lack else CheckResult(Status.OK)
