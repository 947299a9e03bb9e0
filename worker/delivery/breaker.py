"""Delivery: the circuit breaker. Spares the data platform while it is away, and finds out when it is back."""

import math
import random
from collections.abc import Callable
from enum import StrEnum

from kits.resilience.retry import Backoff
from worker.delivery.failures import Outcome
from worker.delivery.lanes import LaneKey

RETRY = Backoff(base_seconds=0.1, cap_seconds=5.0)
RETRY_AFTER_CAP_SECONDS = 60.0

_AT_ONCE = frozenset({Outcome.OUTAGE, Outcome.BACK_PRESSURE})
_FAILURES_IN_A_ROW = 10
_ORDERS_IN_A_ROW = 2
_HEADS = 10


class BreakerState(StrEnum):
    """Closed: calls go. Open: none goes. Half-open: one probe is on its way."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


def wait_before_retry(tries: int, retry_after_seconds: float | None, rng: random.Random) -> float:
    """Seconds until the next try: full jitter up to 5 s, or longer if the platform asks (60 s at most)."""
    asked = min(RETRY_AFTER_CAP_SECONDS, max(0.0, retry_after_seconds or 0.0))
    return max(RETRY.wait_seconds(tries, rng), asked)


class Breaker:
    """Opens at an outage at once; at what may be the fault of single events after ten failures in a row.

    Those ten belong to more than one order: an order that is alone with its failure is slowed down by its own
    waits. One success closes it. A result counts only if its call was begun after the breaker's last change.
    """

    def __init__(self, rng: random.Random, on_change: Callable[[BreakerState, str, str], None]) -> None:
        """Args: on_change: told the new state, and the code and the reason of the last failure."""
        self._rng = rng
        self._on_change = on_change
        self._failures = 0
        self._failed_orders: set[LaneKey] = set()
        self._not_before = 0.0
        self._last = ("", "")
        self.state = BreakerState.CLOSED
        self.change = 0
        """Counts the changes of state: a call remembers the number under which it was begun."""
        self.closings = 0
        """How often the platform came back."""

    @property
    def is_closed(self) -> bool:
        """Calls go freely."""
        return self.state is BreakerState.CLOSED

    @property
    def heads_wanted(self) -> int:
        """How many orders must have their heads here before reading pauses: ten that have not failed yet."""
        return _HEADS + len(self._failed_orders)

    def wait_seconds(self, now: float) -> float:
        """How long no call may begin: 0.0, a time, or until the probe has ended (infinite)."""
        if self.state is BreakerState.HALF_OPEN:
            return math.inf
        remaining = self._not_before - now if self.state is BreakerState.OPEN else 0.0
        # A timer may fire a moment early: less than a millisecond is no wait.
        return remaining if remaining >= 0.001 else 0.0

    def admit(self) -> int:
        """A call begins now; after a wait it is the probe. Returns the number of the last change."""
        if self.state is BreakerState.OPEN:
            self._move(BreakerState.HALF_OPEN)
        return self.change

    def succeeded(self, begun_under: int) -> None:
        """The platform has judged an event."""
        if begun_under != self.change:
            return
        self._failures = 0
        self._failed_orders.clear()
        if not self.is_closed:
            self.closings += 1
            self._move(BreakerState.CLOSED)

    def failed(
        self,
        begun_under: int,
        outcome: Outcome,
        order: LaneKey,
        *,
        retry_after_seconds: float | None,
        now: float,
        code: str = "",
        reason: str = "",
    ) -> None:
        """A call was not judged; `order` is that of its (first) event."""
        if begun_under != self.change:
            return
        self._failures += 1
        self._failed_orders.add(order)
        self._last = (code, reason)
        in_a_row = self._failures >= _FAILURES_IN_A_ROW and len(self._failed_orders) >= _ORDERS_IN_A_ROW
        if outcome in _AT_ONCE or in_a_row or not self.is_closed:
            self._not_before = now + wait_before_retry(self._failures - 1, retry_after_seconds, self._rng)
            self._move(BreakerState.OPEN)

    def no_result(self, begun_under: int) -> None:
        """A call has ended and tells nothing about the platform; if it was the probe, another may go."""
        if begun_under == self.change and self.state is BreakerState.HALF_OPEN:
            self._move(BreakerState.OPEN)

    def _move(self, state: BreakerState) -> None:
        self.state = state
        self.change += 1
        self._on_change(state, *self._last)
