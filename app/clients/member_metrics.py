"""Member API, metrics: how calls ended, and whether it is called at all."""

from enum import StrEnum

from kits.observability.metrics import Metrics
from kits.resilience.breaker import BreakerState
from kits.resilience.breaker_gauge import BreakerGauge

MEMBER_API = "member-api"


class TryOutcome(StrEnum):
    """How one try ended, or why there was none."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No connection, or one that broke."""
    UNAVAILABLE = "unavailable"
    """502, 503, 504."""
    REFUSED = "refused"
    """Any other status, redirects too."""
    UNREADABLE = "unreadable"
    SPARED = "spared"
    """Not asked: the breaker is open."""
    CROWDED = "crowded"
    """Not asked: too many calls are under way."""


class MemberMetrics:
    """Declared once per process; every outcome exists from the start."""

    def __init__(self, metrics: Metrics, breakers: BreakerGauge) -> None:
        tries = metrics.tally(
            "member_api_tries_total",
            "Tries to ask the Member API, by outcome; spared and crowded ones did not leave.",
            ["outcome"],
        )
        self._tries = {outcome: tries.labels(outcome) for outcome in TryOutcome}
        self._breakers = breakers
        self.show(BreakerState.CLOSED)

    def called(self, outcome: TryOutcome) -> None:
        """Count one."""
        self._tries[outcome].inc()

    def show(self, state: BreakerState) -> None:
        """Set the breaker's gauge."""
        self._breakers.show(MEMBER_API, state)
