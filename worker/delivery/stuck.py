"""Delivery: what is stuck in the ledger, and what an operator's command needs to work on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from worker.delivery.event import Event
from worker.delivery.verdicts import Status

LEASE_SECONDS = 20.0
"""How long an order belongs to the command that took it. Longer than a call (10 s), renewed before each."""


@dataclass(frozen=True, slots=True)
class Case:
    """An order that is stuck; or one event whose order could not be read, which holds nothing."""

    order_id: str | None
    event_id: str | None = None
    """Only without an order."""

    def __str__(self) -> str:
        return f"order {self.order_id}" if self.order_id else f"event {self.event_id} (order unknown)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which stuck events an operator means; all that is given must fit. `limit` counts what is returned."""

    order_id: str | None = None
    event_id: str | None = None
    error_class: str | None = None
    event_type: str | None = None
    older_than: timedelta | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Who does what and why, for the audit."""

    actor: str
    action: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one command to work on a case; `token` fences every decision."""

    case: Case
    token: str


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that is dead, held or retrying; `seq` is None when it could not be read."""

    event_id: str
    seq: int | None
    status: str

    @property
    def is_dead(self) -> bool:
        """Whether it holds its order by itself."""
        return self.status == Status.DEAD


@dataclass(frozen=True, slots=True)
class Standing:
    """How a case stands: the highest delivered number, and its open events by number, unknown ones first.

    Without a known order there is one event, and its number means nothing.
    """

    last_seq: int
    events: Sequence[OpenEvent] = ()
    order_is_known: bool = True


@dataclass(frozen=True, slots=True)
class Head:
    """The first open event of a case, whole."""

    last_seq: int
    event: Event
    is_dead: bool


@dataclass(frozen=True, slots=True)
class GivingUp:
    """A decision: these events get this status, the order stands at `last_seq` then.

    `numbers` are those that the data platform is told of, in their order, each with its event or None.
    """

    status: Status
    event_ids: Sequence[str]
    numbers: Sequence[tuple[int, str | None]]
    last_seq: int


@dataclass(frozen=True, slots=True)
class StuckEvent:
    """One open event as an operator sees it in a list."""

    order_id: str | None
    event_id: str
    seq: int | None
    event_type: str
    status: str
    error_class: str | None
    code: str | None
    message: str | None
    attempts: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None


class StuckOrders(Protocol):
    """The ledger as a command sees it. Every method raises LedgerUnavailableError, and may be repeated."""

    async def listed(self, wanted: Wanted) -> list[StuckEvent]:
        """The open events, oldest trouble first."""
        ...

    async def cases(self, wanted: Wanted) -> list[Case]:
        """What has at least one such event, oldest trouble first."""
        ...

    async def take(self, case: Case, note: Note | None) -> Lease | None:
        """Take a lease of LEASE_SECONDS, and note it in the same transaction; None: somebody has it."""
        ...

    async def renew(self, lease: Lease) -> bool:
        """Prolong it; False if somebody else has taken it meanwhile."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back; nothing happens if it is not ours any more."""
        ...

    async def standing(self, case: Case) -> Standing:
        """How it stands now."""
        ...

    async def head(self, case: Case) -> Head | None:
        """Its first open event now, None when nothing is open."""
        ...

    async def give_up(self, lease: Lease, decision: GivingUp, note: Note) -> bool:
        """Write a decision and its note in one transaction; False, and nothing is written, without the lease.

        Events that were delivered meanwhile stay delivered, last_seq only grows.
        """
        ...
