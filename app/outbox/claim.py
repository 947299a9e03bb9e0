"""Outbox: a claim, the right of one process to send one row for the length of a lease."""

from dataclasses import dataclass

from contracts.envelope import EventMessage
from kits.kafka.records import Deadline

SAFETY_SECONDS = 3.0
"""A row is not sent any more this long before the database may give it to another process."""


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """A row that this process may send until its deadline (monotonic clock); `token` fences every write."""

    message: EventMessage
    token: str
    deadline: Deadline
    relayed: bool = False
    """Claimed by a relay from the backlog, not born claimed by its own transaction."""


def send_until(asked_at: float, lease_seconds: float) -> float:
    """The sender's own deadline: counted from before the claiming statement, so never later than the lease.

    It is the fencing advice of Kleppmann ("How to do distributed locking", 2016): the holder of a lease must
    stop by its own clock, early enough.
    """
    return asked_at + lease_seconds - SAFETY_SECONDS


def renew_every(lease_seconds: float) -> float:
    """A third of the lease; with a short one half of the sender's own time, or it would stop between two."""
    return min(lease_seconds / 3, (lease_seconds - SAFETY_SECONDS) / 2)
