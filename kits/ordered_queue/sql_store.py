"""Ordered queue, adapter: its table in PostgreSQL: the way in, and every fenced write after it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue import statements as sql
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item, Kind, Predecessor, Settlement
from kits.ordered_queue.lane import MAX_RUN, MAX_RUN_BYTES
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.ports import Backlog, Gap, LockedError, Looked, StoreUnavailableError
from kits.postgres.driver import DriverConnection, driver_fetch, driver_transaction
from kits.postgres.errors import LockTimeoutError
from kits.postgres.outages import is_outage
from kits.postgres.schema import as_arrays
from kits.resilience.clock import Clock

_ALL_SECONDS = 10.0
_MAX_REASON = 1000


class Arrival(StrEnum):
    """What became of a row that was sent into the queue."""

    NEW = "new"
    KNOWN = "known"
    """Its id stands there already."""
    TAKEN = "taken"
    """Its number belongs to another id, or another transaction inserts one of the two just now."""


_ARRIVALS = {str(arrival): arrival for arrival in Arrival}
_PREDECESSORS = {str(why): why for why in Predecessor}


class Enqueue:
    """The way into one queue for the transactions of one process."""

    def __init__(self, table: QueueTable, *, token: str, lease: Lease, clock: Clock) -> None:
        """Args: token: who this process is, a new UUID at each of its starts."""
        self._statement = table.statement(sql.ENQUEUE)
        self._columns = tuple(table.new_columns)
        self._values_of = attrgetter(*self._columns)
        self._values = {"token": token, "lease_seconds": lease.seconds}
        self._values |= {"longest_run": MAX_RUN, "run_bytes": MAX_RUN_BYTES}
        self._lease = lease
        self._clock = clock

    async def add(
        self, connection: DriverConnection, items: Sequence[Item], rows: Sequence[object], *, claimed: bool
    ) -> tuple[dict[str, Arrival], list[Claim]]:
        """Insert rows; with `claimed`, those that may be sent are born claimed, a run of a key together.

        It is one round trip, together with the writes that wait on the connection.

        Args:
            items: what a claim will carry.
            rows: what is stored, in the items' order: structs with the fields id, key, number, payload
                (bytes) and the table's extra columns.

        Returns:
            What became of each row, by id; and the claims, in the order of key and number. Give them to the
            queue after the commit, and never without it.

        Raises:
            As DriverConnection.fetch.
        """
        asked_at = self._clock.now()
        arrays = as_arrays(self._columns, map(self._values_of, rows))
        await connection.write(self._statement, {**self._values, **arrays, "claimed": claimed})
        found = {str(row_id): what for row_id, what in await connection.flush()}
        arrivals = {item.id: _ARRIVALS.get(found.get(item.id, ""), Arrival.NEW) for item in items}
        if not claimed:
            return arrivals, []
        until = self._lease.until(asked_at)
        claims = [
            Claim(item, 1, why, until)
            for item in {item.id: item for item in items}.values()
            if (why := _PREDECESSORS.get(found.get(item.id, Predecessor.DONE)))
        ]
        claims.sort(key=lambda claim: (claim.item.key, claim.item.number))
        return arrivals, claims


class SqlStore(ABC):
    """One queue of one process. The owner says how a row becomes its item.

    An owner with rows of its own to write overrides `settle`, opens a `_transaction`, and runs the queue's
    part in it by `_settle`.
    """

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
        self._statement = cache(table.statement)
        self._end_columns = tuple(table.end_columns)
        self._lease = lease
        self._clock = clock
        self._fence = {"token": token, "lease_seconds": lease.seconds}
        self._days = {"days": retention_days, "key_days": key_retention_days}
        self._after = self._floor = ("-infinity", table.first_id)
        self._look_at_all_at = 0.0
        self._delete_after = table.first_id

    @abstractmethod
    def item_of(self, row: Mapping[str, Any]) -> Item:
        """The item that a full row holds."""

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """See Store. The looks go around: behind the last row looked at, at the end from the floor again.

        The floor is the oldest open row that is known, less a second for what commits late: below it lie only
        rows that are no more. Every ten seconds one look begins at the very start.
        """
        asked_at = self._clock.now()
        if asked_at >= self._look_at_all_at:
            self._look_at_all_at = asked_at + _ALL_SECONDS
            self._after = self._floor = ("-infinity", self._table.first_id)
        after_due, after_id = self._after
        bounds = {"limit": limit, "max_bytes": max_bytes, "look": sql.LOOK}
        bounds |= {"longest_run": MAX_RUN, "run_bytes": MAX_RUN_BYTES, "claimed": True}
        rows = await self._run(
            sql.CLAIM, {**self._fence, **bounds, "after_due": after_due, "after_id": after_id}
        )
        looked, claimable, last_id, last_due, floor = rows[0][:5]
        if self._after == self._floor:
            self._floor = (floor, self._table.first_id)
        self._after = (last_due, last_id) if looked == sql.LOOK else self._floor
        until = self._lease.until(asked_at)
        claims = [self._claim_of(row, until) for row in rows if row["known"] is not None]
        claims.sort(key=lambda claim: (claim.item.key, claim.item.number))
        return Looked(claims, left=claimable > len(claims), further=looked == sql.LOOK)

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """See Store."""
        named = sorted((claim.item.id, claim.nth) for claim in claims)
        rows = await self._run(sql.RENEW, {**self._fence, **as_arrays(("id", "nth"), named)})
        return {(str(row_id), nth) for row_id, nth in rows}

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store."""
        return (await self._settle(settlements))[0]

    async def locked(self, item_ids: Iterable[str]) -> set[str]:
        """See Store."""
        rows = await self._run(sql.LOCKED, {"ids": sorted(item_ids)})
        return {str(row_id) for (row_id,) in rows}

    async def delete_settled(self, *, limit: int) -> bool:
        """See Store. The batches go around, in the order of the ids."""
        values = {**self._days, "limit": limit, "after_id": self._delete_after}
        ((_, looked, last_id),) = await self._run(sql.DELETE, values)
        self._delete_after = str(last_id) if looked == limit else self._table.first_id
        return bool(looked == limit)

    async def backlog(self) -> Backlog:
        """See Store."""
        ((waiting, dead, gaps, blocked, oldest),) = await self._run(sql.BACKLOG, {"counted": sql.COUNTED})
        return Backlog(waiting, dead, gaps, blocked, max(0.0, oldest))

    async def gaps(self, limit: int) -> Sequence[Gap]:
        """See Store."""
        rows = await self._run(sql.GAPS, {"counted": sql.COUNTED, "limit": limit})
        return [Gap(key, first, number - 1, number, age) for key, number, first, age in rows]

    async def _settle(
        self, settlements: Sequence[Settlement], connection: DriverConnection | None = None
    ) -> tuple[int, list[str]]:
        """How many were still ours, and which are dead; without a connection in a transaction of its own."""
        # In the order of the ids, so that two processes never wait for each other in turn.
        ends = sorted(map(self._end_of, settlements), key=itemgetter(0))
        arrays = as_arrays(self._end_columns, ends)
        ((ours, dead),) = await self._run(sql.SETTLE, {**self._fence, **arrays}, connection)
        return ours, [str(row_id) for row_id in dead or ()]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[DriverConnection]:
        """A transaction of an owner that has something of its own to write.

        Raises:
            StoreUnavailableError: see Store.
        """
        with _told():
            async with driver_transaction(self._engine) as connection:
                yield connection

    async def _run(
        self, template: str, values: Mapping[str, Any], connection: DriverConnection | None = None
    ) -> Sequence[Any]:
        statement = self._statement(template)
        if connection is not None:
            return await connection.fetch(statement, values)
        with _told():
            return await driver_fetch(self._engine, statement, values)

    def _claim_of(self, row: Any, until: float) -> Claim:
        why = Predecessor(row["known"])
        return Claim(self.item_of(row), row[self._table.claim], why, until, relayed=True)

    def _end_of(self, settlement: Settlement) -> tuple[object, ...]:
        """The values of the table's `end_columns`."""
        claim, result = settlement.claim, settlement.result
        if result is not None and result.kind is Kind.DONE:
            return (claim.item.id, claim.nth, result.kind, None, None, None, None, *result.written)
        unwritten = (None,) * len(self._table.written)
        if result is None:
            return (claim.item.id, claim.nth, None, None, None, None, None, *unwritten)
        age = self._clock.now() - settlement.began
        told = (result.kind, result.code, result.reason[:_MAX_REASON], settlement.wait_seconds, age)
        return (claim.item.id, claim.nth, *told, *unwritten)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        meaning = LockedError if isinstance(error, LockTimeoutError) else StoreUnavailableError
        raise meaning(type(error).__name__) from error
