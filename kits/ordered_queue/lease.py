"""Ordered queue, rule: for how long a claim lasts, by which clock, and when its holder stops and renews."""

from dataclasses import dataclass

SAFETY_SECONDS = 3.0
"""A holder stops sending this long before the store may give the item to another process."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The holder of a lease must stop by its own clock, early enough (Kleppmann, "How to do distributed
    locking", 2016): its time is counted from before the claiming statement, so it never ends later."""

    seconds: float

    def until(self, asked_at: float) -> float:
        """Until when a holder may send that asked at `asked_at`, by its own clock."""
        return asked_at + self.seconds - SAFETY_SECONDS

    @property
    def renew_every(self) -> float:
        """A third of the lease; of a short one half of the holder's own time, or it would stop in between."""
        return min(self.seconds / 3, (self.seconds - SAFETY_SECONDS) / 2)

    @property
    def grace_seconds(self) -> float:
        """For how long nobody takes others' items over after an outage of the store: they renew first."""
        return self.seconds / 3
