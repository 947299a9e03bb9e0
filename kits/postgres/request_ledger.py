"""PostgreSQL: requests that were carried out, with their replies, in the transaction of their effect."""

from contextlib import AsyncExitStack
from typing import Self

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.logs import get_logger
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch, driver_transaction
from kits.postgres.errors import LockTimeoutError
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask, Supervisor

log = get_logger(__name__)
KEPT_HOURS = 24
_BATCH = 1_000
_INTERVAL_SECONDS = 600.0


def request_ledger_table(metadata: MetaData) -> Table:
    """The table in the schema of its owner, whose migration makes it."""
    return Table(
        "rpc_request",
        metadata,
        Column("id", Text, primary_key=True),
        Column("is_answered", Boolean, nullable=False, server_default="false"),
        Column("reply", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("ix_rpc_request_created_at", "created_at"),
    )


class SqlRequestEntry:
    """kits.rpc.ledger.RequestEntry: an open transaction; `work` is its connection."""

    def __init__(self, transaction: AsyncExitStack, work: DriverConnection, finish: DriverStatement) -> None:
        self.work = work
        self.is_answered = False
        self.reply: bytes | None = None
        self._transaction = transaction
        self._finish = finish
        self._id = ""

    async def claim(self, request_id: str, claim: DriverStatement, known: DriverStatement) -> Self:
        """Take the request, or find its reply."""
        self._id = request_id
        if not await self.work.fetch(claim, {"id": request_id}):
            ((self.is_answered, self.reply),) = await self.work.fetch(known, {"id": request_id})
        return self

    async def finish(self, reply: bytes | None) -> None:
        """See RequestEntry. Raises: as kits.postgres.driver.driver_transaction."""
        await self.work.write(self._finish, {"id": self._id, "reply": reply})
        await self._transaction.aclose()

    async def abandon(self) -> None:
        """See RequestEntry."""
        gone = _GivenUpError()
        try:
            await self._transaction.__aexit__(type(gone), gone, None)
        except _GivenUpError:
            return
        except Exception as error:  # noqa: BLE001 - the server rolls back what has lost its connection
            log.info("rpc_rollback_not_said", error=repr(error))


class _GivenUpError(Exception):
    """Ends a transaction by rolling it back."""


class SqlRequestLedger:
    """kits.rpc.ledger.RequestLedger. A request that another process works on is waited for."""

    def __init__(self, engine: AsyncEngine, table: Table) -> None:
        row = table.c
        self._engine = engine
        self._claim = DriverStatement(
            insert(table)
            .values(id=bindparam("id", type_=Text))
            .on_conflict_do_nothing()
            .returning(literal_column("1"))
        )
        self._known = DriverStatement(
            select(row.is_answered, row.reply).where(row.id == bindparam("id", type_=Text))
        )
        self._finish = DriverStatement(
            update(table)
            .where(row.id == bindparam("id", type_=Text))
            .values(is_answered=True, reply=bindparam("reply", type_=LargeBinary))
        )
        old = (
            select(row.id)
            .where(row.created_at < func.now() - func.make_interval(0, 0, 0, 0, KEPT_HOURS))
            .limit(bindparam("limit", type_=Integer))
            .with_for_update(skip_locked=True)
            .cte("old")
        )
        self._forget = DriverStatement(delete(table).where(row.id == old.c.id).returning(literal_column("1")))

    async def begin(self, request_id: str) -> SqlRequestEntry:
        """See RequestLedger; waits as long as its caller lets it.

        Raises:
            As kits.postgres.driver.driver_transaction.
        """
        while True:
            async with AsyncExitStack() as stack:
                work = await stack.enter_async_context(driver_transaction(self._engine))
                entry = SqlRequestEntry(stack.pop_all(), work, self._finish)
                try:
                    return await entry.claim(request_id, self._claim, self._known)
                except LockTimeoutError:
                    # Another process is still at it.
                    await entry.abandon()
                except BaseException:
                    await entry.abandon()
                    raise

    async def forget_old(self, limit: int) -> int:
        """Delete requests older than a day, so many at most; returns how many."""
        return len(await driver_fetch(self._engine, self._forget, {"limit": limit}))


class RequestRetention:
    """Deletes what is older than a day in batches of 1,000, every ten minutes."""

    def __init__(self, ledger: SqlRequestLedger, supervisor: Supervisor) -> None:
        self._ledger = ledger
        self._supervisor = supervisor
        self._task = PeriodicTask(self._forget_once, interval_seconds=_INTERVAL_SECONDS)

    async def start(self) -> None:
        """Begin, in the background."""
        self._supervisor.start("rpc-request-retention", self._task.run)

    async def stop(self) -> None:
        """End."""
        await self._supervisor.stop()

    async def _forget_once(self) -> bool:
        forgotten = 0
        with outage_suppressed():
            forgotten = await self._ledger.forget_old(_BATCH)
        if forgotten:
            log.info("rpc_requests_forgotten", rows=forgotten)
        return forgotten == _BATCH
