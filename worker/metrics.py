"""Worker metrics: every number of this process, declared once, each with its meaning."""

from collections.abc import Callable

from kits.observability.metrics import Metrics


class WorkerMetrics:
    """What the delivery to the data platform tells; times in seconds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.received = metrics.tally(
            "worker_events_received_total", "Records taken from the topic."
        ).labels()
        self.answered = metrics.tally(
            "worker_events_answered_total", "Events that the data platform has judged.", ["outcome"]
        )
        self.suppressed = metrics.counter(
            "worker_events_suppressed_total", "Repeats that were not forwarded again."
        )
        self.recorded = metrics.tally(
            "worker_events_recorded_total",
            "Events whose verdict is safe in the ledger.",
            ["status", "reason"],
        )
        self.baselines = metrics.counter(
            "worker_orders_baseline_total",
            "Orders whose first events were no longer in the log when the group first saw it.",
        )
        self.retries = metrics.counter(
            "worker_retries_total",
            "Events that wait for another call, by the meaning of the failed one.",
            ["outcome"],
        )
        self.call_seconds = metrics.histogram(
            "worker_call_seconds", "Duration of a call to the data platform.", ["kind"]
        )
        self.breaker_state = metrics.gauge(
            "worker_breaker_state", "The breaker before the data platform: 0 closed, 1 half-open, 2 open."
        )
        self.breaker_openings = metrics.counter(
            "worker_breaker_openings_total", "How often the data platform was lost."
        )
        self.storm = metrics.gauge(
            "worker_storm_guard_tripped", "1 while the group stands because of too many dead letters."
        )
        self.commit_failures = metrics.counter(
            "worker_commit_failures_total", "Offset commits without an answer; a later one repairs them."
        )
        self.waits = metrics.counter(
            "worker_waits_total", "Waits for the ledger or the dead-letter topic.", ["what"]
        )
        self.partitions_stopped = metrics.counter(
            "worker_partitions_stopped_total", "Partitions that stand still until somebody decides.", ["code"]
        )
        self.sessions_ended = metrics.counter(
            "worker_consumer_rebuilds_total", "Consumers that were given up and built anew.", ["code"]
        )

    def observe_lag(self, read: Callable[[], float]) -> None:
        """What `read` gives is told at every scrape."""
        self._metrics.observed(
            "worker_lag_records", "Records of this worker's partitions that are not settled yet.", read
        )
