"""Delivery: what was decided about an event, on its way into the ledger."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from worker.delivery.event import Event, Failure
from worker.delivery.seq import OrderState


class Status(StrEnum):
    """What the ledger says about an event."""

    DELIVERED = "delivered"
    DEAD = "dead"
    HELD = "held"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


class Verdict(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One decided event; `failure` says why it is dead or held."""

    event: Event
    status: Status
    failure: Failure | None = None
    baseline: bool = False


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
