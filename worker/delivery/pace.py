"""Delivery: how fast to go on trying while nothing succeeds."""

import random

from kits.resilience.retry import Backoff
from worker.delivery.failures import Outcome

RETRY = Backoff(base_seconds=0.1, cap_seconds=5.0)
RETRY_AFTER_CAP_SECONDS = 60.0

_AT_ONCE = frozenset({Outcome.OUTAGE, Outcome.BACK_PRESSURE, Outcome.CONFIGURATION})
_ALONE_LIMIT = 10


def wait_before_retry(tries: int, retry_after_seconds: float | None, rng: random.Random) -> float:
    """Seconds until the next try: full jitter up to 5 s, or longer if the platform asks (60 s at most)."""
    return max(RETRY.wait_seconds(tries, rng), _capped(retry_after_seconds))


class Pace:
    """Spares a platform that is away: one call at a time with waits between, until one succeeds.

    An outage slows all calls down at once. What may be the fault of single events does so only after ten
    failures in a row without a success.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._not_before = 0.0
        self.troubled = False

    def failed(self, outcome: Outcome, retry_after_seconds: float | None, *, now: float) -> float:
        """Note a failed call; returns the seconds until the next call of any kind may begin."""
        self._failures += 1
        if outcome in _AT_ONCE or self._failures >= _ALONE_LIMIT:
            self.troubled = True
            pause = wait_before_retry(self._failures - 1, retry_after_seconds, self._rng)
            self._not_before = max(self._not_before, now + pause)
        return self.wait_seconds(now)

    def succeeded(self) -> None:
        """The platform has judged an event: full speed."""
        self._failures = 0
        self._not_before = 0.0
        self.troubled = False

    def wait_seconds(self, now: float) -> float:
        """How long no call may begin; 0.0 when one may begin now."""
        remaining = self._not_before - now
        # A timer may fire a moment early: less than a millisecond is no wait.
        return remaining if remaining >= 0.001 else 0.0


def _capped(retry_after_seconds: float | None) -> float:
    return min(RETRY_AFTER_CAP_SECONDS, max(0.0, retry_after_seconds or 0.0))
