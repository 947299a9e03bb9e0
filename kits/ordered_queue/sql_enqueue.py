"""Ordered queue, adapter: new rows, claimed as they are born, in the caller's own transaction."""

from collections.abc import Sequence
from enum import StrEnum

from kits.ordered_queue.clock import Clock
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item, Predecessor
from kits.ordered_queue.lane import MAX_RUN
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.statements import ENQUEUE
from kits.postgres.driver import DriverConnection
from kits.postgres.schema import as_document


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
        self._values = {"token": token, "lease_seconds": lease.seconds, "longest_run": MAX_RUN}
        self._lease = lease
        self._clock = clock

    async def add(
        self, connection: DriverConnection, items: Sequence[Item], rows: Sequence[object], *, claimed: bool
    ) -> tuple[dict[str, Arrival], list[Claim]]:
        """Insert rows; with `claimed`, those that may be sent are born claimed, a run of a key together.

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
        values = {**self._values, **as_document(rows), "claimed": claimed}
        found = await connection.fetch(self._statement, values)
        arrivals = {str(row_id): _arrival(is_new, is_known) for row_id, is_new, _, is_known in found}
        why = {str(row_id): why for row_id, is_new, why, _ in found if is_new and why is not None}
        until = self._lease.until(asked_at)
        claims = [Claim(item, 1, Predecessor(why[item.id]), until) for item in items if item.id in why]
        return arrivals, sorted(claims, key=lambda claim: (claim.item.key, claim.item.number))


def _arrival(is_new: bool, is_known: bool) -> Arrival:
    if is_new:
        return Arrival.NEW
    return Arrival.KNOWN if is_known else Arrival.TAKEN
