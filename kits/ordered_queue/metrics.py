"""Ordered queue, metrics: declared once per process, labelled by queue."""

import time

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Kind
from kits.ordered_queue.ports import Backlog
from kits.resilience.breaker import BreakerState
from kits.resilience.breaker_gauge import BreakerGauge

GIVEN_BACK = "given_back"
FENCED = "fenced"
_GAUGES = {
    "waiting": ("queue_waiting", "Items that are not done, up to 10,001."),
    "dead": ("queue_dead", "Dead items, up to 10,001; each holds its key."),
    "gaps": ("queue_gaps", "Items that wait for a number that never came, up to 10,001."),
    "blocked_keys": ("queue_blocked_keys", "Keys that a dead or a missing number holds."),
    "oldest_seconds": (
        "queue_oldest_age_seconds",
        "Since when the oldest of them has waited: since its birth or replay, whenever it is tried next.",
    ),
}
"""Of what a backlog tells."""


class QueueMetrics:
    """What all queues of a process count; `of` gives the numbers of one."""

    def __init__(self, metrics: Metrics) -> None:
        self.results = metrics.tally(
            "queue_results_total",
            "Ends of claims: the sink's results, what was given back unsent, and what another process had"
            " claimed when it was to be written (possible repeats).",
            ["queue", "result"],
        )
        self.backlog = {part: metrics.gauge(*words, ["queue"]) for part, words in _GAUGES.items()}
        self.measured = metrics.gauge(
            "queue_measured_timestamp_seconds", "When the above were read, since 1970.", ["queue"]
        )
        self.breakers = BreakerGauge(metrics)

    def of(self, queue: str) -> "QueueCounts":
        """What one queue counts."""
        return QueueCounts(self, queue)


class QueueCounts:
    """How the items of one queue ended, and what is not done; every end exists from the start."""

    def __init__(self, metrics: QueueMetrics, queue: str) -> None:
        self._metrics = metrics
        self._queue = queue
        self._cells = {
            result: metrics.results.labels(queue, result) for result in (*Kind, GIVEN_BACK, FENCED)
        }

    @property
    def breakers(self) -> BreakerGauge:
        """The gauge of all breakers of this process."""
        return self._metrics.breakers

    def count(self, result: str, amount: int = 1) -> None:
        """Add `amount` ends."""
        self._cells[result].inc(amount)

    def show_breaker(self, state: BreakerState) -> None:
        """Set the breaker's gauge."""
        self._metrics.breakers.show(self._queue, state)

    def show(self, backlog: Backlog) -> None:
        """Set the gauges of what is not done, as of now."""
        for part, gauge in self._metrics.backlog.items():
            gauge.labels(self._queue).set(getattr(backlog, part))
        self._metrics.measured.labels(self._queue).set(time.time())
