"""Rate limit: so many events per second and key, with a burst, in bounded memory."""

import math
import time
from collections import OrderedDict

MAX_KEYS = 100_000
_FORGOTTEN_AT_ONCE = 2


class RateLimiter:
    """The generic cell rate algorithm (ITU-T I.371): a leaky bucket that keeps one number per key.

    A key may do `per_second` events in the long run and `burst` of them at once. In any span of t seconds at
    most `burst + per_second * t` are admitted, and one that stays within the rate is never refused. What is
    refused costs nothing later: trying too often does not make the wait longer.

    Keys whose bucket has run empty are forgotten. Beyond `max_keys` busy ones, the one that was admitted
    longest ago is forgotten too: it could do a burst too early, and nobody else is affected. State is kept
    in this object alone, so each process counts for itself.
    """

    def __init__(self, per_second: float, *, burst: int, max_keys: int = MAX_KEYS) -> None:
        if per_second <= 0 or burst < 1 or max_keys < 1:
            raise ValueError("A rate limit needs a positive rate, and room for one event and one key.")
        self._interval = 1.0 / per_second
        self._tolerance = self._interval * (burst - 1)
        self._max_keys = max_keys
        # Key -> when its bucket is empty; in the order of the last admission.
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def admit(self, key: str) -> float:
        """Count one event of `key`: 0.0 if it may go on now, else the seconds after which one may."""
        now = time.monotonic()
        empty_at = max(self._empty_at.get(key, now), now)
        wait = empty_at - self._tolerance - now
        if wait > 0:
            return wait
        self._empty_at[key] = empty_at + self._interval
        self._empty_at.move_to_end(key)
        self._forget(now)
        return 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._empty_at)

    def _forget(self, now: float) -> None:
        # Two for each that came: the memory shrinks while it is used, and no call pays for many.
        for _ in range(_FORGOTTEN_AT_ONCE):
            oldest, empty_at = next(iter(self._empty_at.items()))
            if empty_at > now and len(self._empty_at) <= self._max_keys:
                return
            del self._empty_at[oldest]


def rate_limiter(per_second: float) -> RateLimiter | None:
    """A limiter whose burst is what one second allows, and at least one event; None for a rate of 0."""
    return RateLimiter(per_second, burst=max(1, math.ceil(per_second))) if per_second else None
