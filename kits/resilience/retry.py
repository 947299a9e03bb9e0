"""Waiting before the next try: full jitter, bounded."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015).

    The wait before try n is uniform between 0 and min(cap, base * 2**n) seconds.
    """

    base_seconds: float
    cap_seconds: float

    def wait_seconds(self, attempt: int, rng: random.Random | None = None) -> float:
        """How long to wait after the failed try number `attempt` (from 0)."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2 ** min(attempt, 32))
        return (rng or random).uniform(0.0, ceiling)
