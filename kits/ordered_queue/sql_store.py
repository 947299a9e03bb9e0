"""Ordered queue, adapter: its table in PostgreSQL between transactions; every write is fenced."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue import statements
from kits.ordered_queue.clock import Clock
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item, Predecessor
from kits.ordered_queue.lane import MAX_RUN
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.result import Result, Settlement
from kits.ordered_queue.store import Backlog, Looked, StoreUnavailableError
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.errors import Fault, fault_of
from kits.postgres.schema import as_document

_START = ("-infinity", "00000000-0000-0000-0000-000000000000")
_MAX_ERROR = 1000


class SqlStore(ABC):
    """One queue of one process. The owner says how a row becomes its item."""

    def __init__(
        self,
        engine: AsyncEngine,
        table: QueueTable,
        *,
        token: str,
        lease: Lease,
        clock: Clock,
        retention_days: int = 30,
        key_retention_days: int = 180,
    ) -> None:
        """Args: token: who this process is, a new UUID at each of its starts."""
        self._engine = engine
        self._table = table
        self._lease = lease
        self._clock = clock
        self._fence = {"token": token, "lease_seconds": lease.seconds}
        self._days = {"days": retention_days, "key_days": key_retention_days}
        self._claim = table.statement(statements.CLAIM)
        self._renew = table.statement(statements.RENEW)
        self._done = table.statement(statements.DONE)
        self._settle = table.statement(statements.SETTLE)
        self._delete = table.statement(statements.DELETE)
        self._backlog = table.statement(statements.BACKLOG)
        self._after = _START

    @abstractmethod
    def item_of(self, row: Mapping[str, Any]) -> Item:
        """The item that a full row holds."""

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """See Store. The looks go around: behind the last row looked at, at the end from the start again."""
        asked_at = self._clock.now()
        bounds = {"limit": limit, "max_bytes": max_bytes, "look": statements.LOOK, "longest_run": MAX_RUN}
        after_due, after_id = self._after
        rows = await self._run(
            self._claim, {**self._fence, **bounds, "after_due": after_due, "after_id": after_id}
        )
        looked, claimable, last_id, last_due = rows[0][:4]
        self._after = (last_due, last_id) if looked == statements.LOOK else _START
        until = self._lease.until(asked_at)
        claims = [self._claim_of(row, until) for row in rows if row["known"] is not None]
        claims.sort(key=lambda claim: (claim.item.key, claim.item.number))
        return Looked(claims, more=looked == statements.LOOK or claimable > len(claims))

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """See Store."""
        rows = sorted(map(_named, claims), key=_id_of)
        return {
            (str(row_id), nth)
            for row_id, nth in await self._run(self._renew, {**self._fence, **as_document(rows)})
        }

    async def mark_done(self, done: Sequence[tuple[Claim, Result]]) -> int:
        """See Store."""
        columns = tuple(self._table.written)
        return await self._write(
            self._done,
            [_named(claim) | dict(zip(columns, result.written, strict=True)) for claim, result in done],
        )

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store."""
        return await self._write(self._settle, [_row_of(settlement) for settlement in settlements])

    async def delete_settled(self, *, limit: int) -> int:
        """See Store."""
        ((deleted,),) = await self._run(self._delete, {**self._days, "limit": limit})
        return int(deleted)

    async def backlog(self) -> Backlog:
        """See Store."""
        ((waiting, dead, oldest_seconds),) = await self._run(self._backlog, {"counted": statements.COUNTED})
        return Backlog(waiting, dead, max(0.0, oldest_seconds))

    def _claim_of(self, row: Any, until: float) -> Claim:
        return Claim(
            self.item_of(row), row[self._table.claim], Predecessor(row["known"]), until, relayed=True
        )

    async def _write(self, statement: DriverStatement, rows: Sequence[dict[str, Any]]) -> int:
        # In the order of the ids, so that two processes never wait for each other in turn.
        document = as_document(sorted(rows, key=_id_of))
        ((written,),) = await self._run(statement, {**self._fence, **document})
        return int(written)

    async def _run(self, statement: DriverStatement, values: Mapping[str, Any]) -> Sequence[Any]:
        try:
            return await driver_fetch(self._engine, statement, values)
        except Exception as error:
            if fault_of(error) in {Fault.BUG, Fault.DEFINITE}:
                raise
            raise StoreUnavailableError(type(error).__name__) from error


def _named(claim: Claim) -> dict[str, Any]:
    return {"id": claim.item.id, "nth": claim.nth}


def _id_of(row: dict[str, Any]) -> str:
    return str(row["id"])


def _row_of(settlement: Settlement) -> dict[str, Any]:
    result = settlement.result
    return _named(settlement.claim) | {
        "wait_seconds": settlement.wait_seconds,
        "dead": settlement.is_dead,
        "failed": settlement.has_failed,
        "error": f"{result.code}: {result.reason}"[:_MAX_ERROR] if result else None,
    }
