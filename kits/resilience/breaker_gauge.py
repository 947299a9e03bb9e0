"""Circuit breaker, metrics: the state of every breaker of a process, by its name."""

from kits.observability.metrics import Metrics
from kits.resilience.breaker import BreakerState

_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class BreakerGauge:
    """`circuit_breaker_state`, declared once per process."""

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open.", ["name"])

    def show(self, name: str, state: BreakerState) -> None:
        """Set what the breaker of this name is in."""
        self._gauge.labels(name).set(_STATES[state])
