"""Ordered queue, ports: its sink, and its table as the rules see it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kits.ordered_queue.item import Claim, Result, Settlement


class StoreUnavailableError(Exception):
    """The store is away, slow or in conflict: the same again, later. What was asked may have been done."""

    code = "queue_store_unavailable"


class LockedError(StoreUnavailableError):
    """Another session holds one of the rows, or all of them: nothing was written."""

    code = "queue_rows_locked"


class Sink(Protocol):
    """Takes one item of a key at a time; it may gather the items of several keys."""

    @property
    def oldest_seconds(self) -> float:
        """The age of the oldest send that has no result, if only its age tells of an outage; else 0.0."""

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """Begin to send; never blocks.

        Nothing leaves after `claim.until`: it is read again at the moment of sending, and the future of what
        is too late then is cancelled. An exception of the future counts as failed.
        """


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look has claimed, in the order of key and number."""

    claims: Sequence[Claim]
    left: bool
    """Whether it found more to claim than it was allowed to."""
    further: bool
    """Whether rows are behind those that it looked at."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a key that never came, from `first` to `last`, and how long `waiting` waits for them."""

    key: str
    first: int
    last: int
    waiting: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not done, as far as it was counted: counts end at 10,001."""

    waiting: int
    dead: int
    gaps: int
    blocked_keys: int
    """Keys that a dead or a missing number holds."""
    oldest_seconds: float
    """How long the oldest waiting item has waited since its birth, or since it is to go again (a replay)."""


class Store(Protocol):
    """The queue between transactions: each method is one short transaction of its own.

    Every write is fenced by token and claim number.

    Raises:
        StoreUnavailableError: from any of them.
    """

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """Look at a bounded part of the waiting items, a further part each time, and claim what may go."""

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """Prolong these leases; id and claim number of the items that are still ours."""

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """Write what became of these, each done, dead or waiting again; how many were still ours."""

    async def locked(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the items that another session holds at this moment; it waits for none."""
        ...

    async def delete_settled(self, *, limit: int) -> bool:
        """Delete what is out of retention among the next `limit` rows; whether rows are behind them."""

    async def backlog(self) -> Backlog:
        """What is not done now."""

    async def gaps(self, limit: int) -> Sequence[Gap]:
        """Numbers that have been missing for longer than `gap_seconds`, the longest waiting first."""
