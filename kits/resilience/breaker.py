"""Circuit breaker: spares a neighbour that is away, and finds out with one call at a time when it is back."""

import math
from collections import deque
from enum import StrEnum

from kits.resilience.clock import Clock
from kits.resilience.retry import Backoff

_WAIT = Backoff(base_seconds=0.1, cap_seconds=5.0)
_RETRY_AFTER_CAP_SECONDS = 60.0


class BreakerState(StrEnum):
    """Closed: calls go. Open: none goes until its wait is over. Half-open: one probe is on its way."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """Opens at an outage at once, and after `failures` in a row of at least `keys` different keys.

    With a `window` also when half of so many results are failures. Where `keys` is 2, one that fails alone
    never opens it. One success closes it. A result counts only if its call was begun after the breaker's last
    change. (Nygard, "Release It!", 2007; the changes tell old calls from new ones.) Of all who ask, one is
    the probe: nobody may wait between `admits` and `begin_call`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        failures: int = 10,
        keys: int = 2,
        window: int = 0,
        wait: Backoff = _WAIT,
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._keys = keys
        self._wait = wait
        self._failures = 0
        self._failed_keys: set[str] = set()
        self._recent: deque[bool] = deque(maxlen=window)
        self._not_before = 0.0
        self._stalled = False
        self.state = BreakerState.CLOSED
        self.change = 0
        """Counts the changes of state: a call remembers the number under which it was begun."""
        self.closings = 0
        """How often the neighbour came back."""

    @property
    def is_closed(self) -> bool:
        """Calls go freely."""
        return self.state is BreakerState.CLOSED

    def admits(self) -> bool:
        """Whether a call may begin now: freely, or as the probe."""
        return self.is_closed or (self.state is BreakerState.OPEN and self._clock.now() >= self._not_before)

    def begin_call(self) -> int:
        """A call begins, the probe if it is not closed; returns the number to end it with."""
        if self.state is BreakerState.OPEN:
            self._move(BreakerState.HALF_OPEN)
        return self.change

    def succeeded(self, begun_under: int) -> bool:
        """The neighbour has answered; True if that closed the breaker."""
        if begun_under != self.change and not self._stalled:
            return False
        self._failures = 0
        self._failed_keys.clear()
        self._stalled = False
        self._recent.append(False)
        if self.is_closed:
            return False
        self.closings += 1
        self._move(BreakerState.CLOSED)
        return True

    def failed(self, begun_under: int, key: str = "") -> bool:
        """A call failed, perhaps by the fault of `key`; True if that opened the breaker."""
        if begun_under != self.change:
            return False
        self._failed_keys.add(key)
        self._recent.append(True)
        in_a_row = self._failures + 1 >= self._limit and len(self._failed_keys) >= self._keys
        often = 2 * sum(self._recent) >= (self._recent.maxlen or math.inf)
        return self._count(opens=in_a_row or often or not self.is_closed, at_least_seconds=0.0)

    def unavailable(self, begun_under: int, *, retry_after_seconds: float = 0.0) -> bool:
        """The neighbour is away; True if that opened the breaker."""
        if begun_under != self.change:
            return False
        return self._count(opens=True, at_least_seconds=retry_after_seconds)

    def stalled(self) -> bool:
        """Calls do not end, and their age tells of an outage: the end of any of them closes it."""
        if not self.is_closed:
            return False
        self._stalled = True
        return self._count(opens=True, at_least_seconds=0.0)

    def no_result(self, begun_under: int) -> None:
        """A call has ended and tells nothing about the neighbour; if it was the probe, another may go."""
        if begun_under == self.change and self.state is BreakerState.HALF_OPEN:
            self._move(BreakerState.OPEN)

    def _count(self, *, opens: bool, at_least_seconds: float) -> bool:
        self._failures += 1
        if not opens:
            return False
        was_closed = self.is_closed
        asked = min(_RETRY_AFTER_CAP_SECONDS, max(0.0, at_least_seconds))
        wait = self._wait.wait_seconds(self._failures - 1)
        self._not_before = self._clock.now() + max(wait, asked)
        self._move(BreakerState.OPEN)
        return was_closed

    def _move(self, state: BreakerState) -> None:
        self.state = state
        self.change += 1
        self._recent.clear()
