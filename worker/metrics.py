"""Worker metrics: every number of this process, declared once, each with its meaning."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from contracts.order_events import SCHEMAS
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


_OTHER = "other"
_WAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 3600.0, 86_400.0)


class DeliveryMetrics:
    """What a group that forwards events to a platform tells; times in seconds."""

    def __init__(self, metrics: Metrics, *, group: str) -> None:
        calls = metrics.distribution(
            "delivery_call_seconds", "Duration of a call to the platform, by its kind.", ["kind"]
        )
        self.batch_seconds = calls.labels("batch")
        self.single_seconds = calls.labels("single")
        self.halted = metrics.gauge(
            "worker_halted", "1 from the moment at which the process ends because every call is refused."
        )
        ways = metrics.distribution(
            "event_end_to_end_seconds",
            "From the commit of an event to its acceptance by the platform, by the two machines' clocks.",
            ["event_type", "group"],
            _WAY_SECONDS,
        )
        kinds = {name.rpartition(".")[0] for name in SCHEMAS} | {_OTHER}
        self._ways = {kind: ways.labels(kind, group) for kind in sorted(kinds)}

    def delivered(self, event_type: str, headers: Iterable[tuple[str, bytes]]) -> None:
        """An event has arrived; one without a readable `ce_time` is not measured."""
        for name, value in headers:
            if name == "ce_time":
                try:
                    began = datetime.fromisoformat(value.decode("ascii")).timestamp()
                except ValueError:
                    return
                way = self._ways.get(event_type) or self._ways[_OTHER]
                way.observe(max(0.0, time.time() - began))
                return
