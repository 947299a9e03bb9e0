"""Delivery: what was decided about an event, on its way into the ledger."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from kits.kafka.records import IncomingRecord
from worker.delivery.event import Event, Failure
from worker.delivery.seq import OrderState


class Status(StrEnum):
    """What the ledger says about an event."""

    DELIVERED = "delivered"
    RETRYING = "retrying"
    """Parked: it fails alone and waits in the ledger for its next attempt."""
    DEAD = "dead"
    HELD = "held"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


class Verdict(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One decided event; `failure` says why it is dead, held or parked, `retry_in_seconds` for how long."""

    event: Event
    status: Status
    failure: Failure | None = None
    baseline: bool = False
    retry_in_seconds: float | None = None

    @property
    def reached_seq(self) -> int | None:
        """The number up to which the order has come by this; None if it moves nothing.

        Parking the first event of an order whose beginning is gone settles where the order begins.
        """
        seq = self.event.seq or 0
        if self.status is Status.DELIVERED:
            return seq
        return seq - 1 if self.status is Status.RETRYING and self.baseline else None


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that the ledger has kept and whose turn has come: it was held, or parked with its history."""

    record: IncomingRecord
    is_parked: bool = False
    attempts: int = 0
    first_failed_at: datetime | None = None


@dataclass(slots=True)
class Known:
    """What the ledger knew before: orders by id, and which of the asked event ids it has."""

    orders: dict[str, OrderState] = field(default_factory=dict)
    event_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Recorded:
    """What a write has found under the locks.

    `states` has the orders that are or were blocked, as they are now. `undecided` are verdicts that no longer
    held under the lock: nothing was written for them, their events must be judged again.
    """

    states: dict[str, OrderState] = field(default_factory=dict)
    undecided: list[Verdict] = field(default_factory=list)
