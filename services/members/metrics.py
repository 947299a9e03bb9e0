"""The metrics of the Member API, each with its meaning."""

from kits.observability.metrics import Metrics

_OUTCOMES = ("created", "changed", "unchanged", "precondition_failed")


class MembersMetrics:
    """Declared once per process; HTTP requests are counted by kits.web, events by the queue `outbox`."""

    def __init__(self, metrics: Metrics) -> None:
        self.changes = metrics.counter(
            "member_changes_total",
            "PUTs by outcome: created, changed, unchanged (the same names again), precondition_failed.",
            ["outcome"],
        )
        for outcome in _OUTCOMES:
            self.changes.labels(outcome)
