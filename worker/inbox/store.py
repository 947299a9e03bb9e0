"""Inbox, adapter: its table between transactions; what a failure costs is decided over all workers."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.logs import get_logger
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Kind, Settlement
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import SqlStore
from kits.postgres.driver import DriverConnection
from kits.resilience.clock import Clock
from worker.inbox.group_state import GroupState, Shared
from worker.inbox.headers import decode_headers
from worker.inbox.item import InboxItem

log = get_logger(__name__)

_RETENTION_DAYS = 40
"""The topic keeps 30 days and the rest of a segment, a week: what can be read again must be known."""
_JUDGED = frozenset({Kind.REFUSED, Kind.FAILED})


class _TooManyDeadError(Exception):
    """These must not die: it takes back the block that wrote them dead."""

    code = "too_many_dead"

    def __init__(self, event_ids: Sequence[str], trip: dict[str, Any]) -> None:
        super().__init__(f"{len(event_ids)} events")
        self.event_ids = frozenset(event_ids)
        self.trip = trip


class InboxStore(SqlStore):
    """The inbox of one group in one process (kits.ordered_queue.ports.Store)."""

    def __init__(
        self,
        engine: AsyncEngine,
        table: QueueTable,
        state: GroupState,
        *,
        token: str,
        lease: Lease,
        clock: Clock,
    ) -> None:
        """Args: token: who this process is, a new UUID at each of its starts."""
        days = _RETENTION_DAYS
        super().__init__(engine, table, token=token, lease=lease, clock=clock, retention_days=days)
        self._state = state

    def item_of(self, row: Mapping[str, Any]) -> InboxItem:
        """See SqlStore."""
        return InboxItem(
            row["event_id"],
            row["order_id"],
            row["seq"],
            row["payload"],
            row["attempts"],
            event_type=row["event_type"],
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            record_key=row["record_key"],
            headers=decode_headers(row["headers"]),
            replayed=row["replayed_at"] is not None,
        )

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store. The 11th dead among the last 200 judged is released instead, and the limit stands.

        That others succeeded is written a second later, and before a failure is judged here.
        """
        done = [one for one in settlements if one.result and one.result.kind is Kind.DONE]
        if not any(one.result and one.result.kind in _JUDGED for one in settlements):
            written = await super().settle(settlements)
            self._state.succeeded(done)
            return written
        async with self._transaction() as connection:
            self._state.succeeded(done)
            shared = await self._state.lock(connection)
            try:
                async with connection.savepoint():
                    written, died = await self._settle(settlements, connection)
                    await self._require_few(connection, shared, died)
            except _TooManyDeadError as error:
                written, died = await self._release(connection, settlements, error)
        self._state.written(shared)
        self._log(settlements, died)
        return written

    async def _require_few(self, connection: DriverConnection, shared: Shared, died: Sequence[str]) -> None:
        if died and (trip := await self._state.admits(connection, shared, sorted(died))):
            raise _TooManyDeadError(died, trip)

    async def _release(
        self, connection: DriverConnection, settlements: Sequence[Settlement], error: _TooManyDeadError
    ) -> tuple[int, list[str]]:
        released = [
            Settlement(one.claim) if one.claim.item.id in error.event_ids else one for one in settlements
        ]
        written = await self._settle(released, connection)
        await self._state.trip_by(connection, error.trip)
        return written

    def _log(self, settlements: Sequence[Settlement], died: Sequence[str]) -> None:
        for one in settlements:
            item, result = one.claim.item, one.result
            if item.id in died and result is not None and isinstance(item, InboxItem):
                log.warning(
                    "event_died", event_id=item.id, order_id=item.key, seq=item.number, topic=item.topic,
                    partition=item.partition, offset=item.offset, code=result.code, reason=result.reason,
                    action="its order waits: `python -m worker dlq list`, then redrive, skip or discard it",
                )  # fmt: skip
