"""Ordered queue, metrics: declared once per process, labelled by queue."""

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Kind

GIVEN_BACK = "given_back"
FENCED = "fenced"


class QueueMetrics:
    """What all queues of a process count; `of` gives the numbers of one."""

    def __init__(self, metrics: Metrics) -> None:
        queue = ["queue"]
        self.results = metrics.tally(
            "queue_results_total",
            "Ends of claims: the sink's results, what was given back unsent, and what another process had"
            " claimed when it was to be written (possible repeats).",
            ["queue", "result"],
        )
        self.waiting = metrics.gauge("queue_waiting", "Items that are not done, up to 10,001.", queue)
        self.dead = metrics.gauge("queue_dead", "Dead items, up to 10,001; each holds its key.", queue)
        self.gaps = metrics.gauge(
            "queue_gaps", "Items that wait for a number that never came, up to 10,001.", queue
        )
        self.blocked_keys = metrics.gauge(
            "queue_blocked_keys", "Keys that a dead or a missing number holds.", queue
        )
        self.oldest = metrics.gauge(
            "queue_oldest_age_seconds",
            "Since when the oldest of them has waited: since its birth or replay, whenever it is tried next.",
            queue,
        )
        self.measured = metrics.gauge(
            "queue_measured_timestamp_seconds", "When the above were read, since 1970.", queue
        )
        self.breaker = metrics.gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open.", ["name"])

    def of(self, queue: str) -> "ResultCounts":
        """The counters of one queue, kept where they are counted often."""
        return ResultCounts(self, queue)


class ResultCounts:
    """How the items of one queue ended; every value exists from the start."""

    def __init__(self, metrics: QueueMetrics, queue: str) -> None:
        self._cells = {
            result: metrics.results.labels(queue, result) for result in (*Kind, GIVEN_BACK, FENCED)
        }

    def count(self, result: str, amount: int = 1) -> None:
        """Add `amount` ends."""
        self._cells[result].inc(amount)
