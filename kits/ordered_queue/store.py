"""Ordered queue, port: the table, as the rules see it. Every write is fenced by token and claim number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kits.ordered_queue.item import Claim
from kits.ordered_queue.result import Result, Settlement


class StoreUnavailableError(Exception):
    """The store is away, slow or in conflict: the same again, later. What was asked may have been done."""

    code = "queue_store_unavailable"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look has claimed, in the order of key and number, and whether more is there to look at."""

    claims: Sequence[Claim]
    more: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not done: counts end at 10,001, the age of the oldest waiting item in seconds."""

    waiting: int
    dead: int
    oldest_seconds: float


class Store(Protocol):
    """The queue between transactions: each method is one short transaction of its own.

    Raises:
        StoreUnavailableError: from any of them.
    """

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """Look at a bounded part of the waiting items, a further part each time, and claim what may go."""
        ...

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """Prolong these leases; id and claim number of the items that are still ours."""
        ...

    async def mark_done(self, done: Sequence[tuple[Claim, Result]]) -> int:
        """Write what was sent; how many of the items were still ours."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """Write what waits again or is dead; how many of the items were still ours."""
        ...

    async def delete_settled(self, *, limit: int) -> int:
        """Delete up to `limit` items whose retention is over; how many."""
        ...

    async def backlog(self) -> Backlog:
        """What is not done now."""
        ...
