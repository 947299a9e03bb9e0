"""Ordered queue, adapter: new rows, claimed as they are born, in the caller's own transaction."""

from collections.abc import Sequence
from enum import StrEnum

from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item, Predecessor
from kits.ordered_queue.lane import MAX_RUN, MAX_RUN_BYTES
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.statements import ENQUEUE
from kits.postgres.driver import DriverConnection
from kits.postgres.schema import as_document
from kits.resilience.clock import Clock


class Arrival(StrEnum):
    """What became of a row that was sent into the queue."""

    NEW = "new"
    KNOWN = "known"
    """Its id stands there already."""
    TAKEN = "taken"
    """Its number belongs to another id, or another transaction inserts one of the two just now."""


class Enqueue:
    """The way into one queue for the transactions of one process."""

    def __init__(self, table: QueueTable, *, token: str, lease: Lease, clock: Clock) -> None:
        """Args: token: who this process is, a new UUID at each of its starts."""
        self._statement = table.statement(ENQUEUE)
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
        await connection.write(self._statement, {**self._values, **as_document(rows), "claimed": claimed})
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


_ARRIVALS = {str(arrival): arrival for arrival in Arrival}
_PREDECESSORS = {str(why): why for why in Predecessor}
