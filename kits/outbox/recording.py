"""Outbox kit: how rows are born, inside the transaction of what they tell about."""

from collections.abc import Sequence

from kits.ordered_queue.actions import Actions
from kits.ordered_queue.item import Claim, Item
from kits.ordered_queue.sql_store import Arrival, Enqueue
from kits.postgres.driver import DriverConnection


class OutboxConflictError(Exception):
    """The outbox knows another event of this key under the same number: its transaction must not commit."""

    code = "outbox_conflict"
    # It is what a unique index would have said: this one command is refused, not its neighbours.
    sqlstate = "23505"


class Recording:
    """The outbox inside one transaction."""

    def __init__(self, connection: DriverConnection, enqueue: Enqueue) -> None:
        self._connection = connection
        self._enqueue = enqueue
        self._claims: list[Claim] = []

    async def record(self, items: Sequence[Item], rows: Sequence[object], *, claimed: bool) -> None:
        """Insert rows in one statement; with `claimed`, those that may be sent are born claimed.

        Args:
            rows: what is stored of the items, in their order; see Enqueue.

        Raises:
            OutboxConflictError: a number is another event's; roll back.
        """
        arrivals, claims = await self._enqueue.add(self._connection, items, rows, claimed=claimed)
        if taken := [event_id for event_id, arrival in arrivals.items() if arrival is not Arrival.NEW]:
            raise OutboxConflictError(f"The numbers of these events are taken: {', '.join(taken)}.")
        self._claims += claims

    async def record_again(self, items: Sequence[Item], actions: Actions) -> int:
        """Let items go out once more, born anew where they are gone; how many, each its own row.

        What is dead or was given up stays so, and what waits is on its way anyway.

        Raises:
            OutboxConflictError: a number is another event's; roll back.
        """
        arrivals, _ = await self._enqueue.add(self._connection, items, items, claimed=False)
        if taken := [event_id for event_id, arrival in arrivals.items() if arrival is Arrival.TAKEN]:
            raise OutboxConflictError(f"The numbers of these events are taken: {', '.join(taken)}.")
        known = [event_id for event_id, arrival in arrivals.items() if arrival is Arrival.KNOWN]
        replayed = await actions.replay(self._connection, known)
        return len(items) - len(known) + len(replayed.changed)

    def claimed(self) -> Sequence[Claim]:
        """The rows of this transaction that were born claimed, by key and number."""
        return self._claims
