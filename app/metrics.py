"""The metrics of the order service, each with its meaning."""

from kits.observability.metrics import Metrics

_OUTCOMES = ("created", "paid", "fulfilled", "cancelled", "expired", "replayed")


class AppMetrics:
    """Declared once per process; HTTP requests are counted by kits.web."""

    def __init__(self, metrics: Metrics) -> None:
        self.orders = metrics.counter(
            "orders_total",
            "Commands by outcome: created, or the status that was reached; replayed (the answer of their"
            " Idempotency-Key); or the code of the refusal.",
            ["outcome"],
        )
        for outcome in _OUTCOMES:
            self.orders.labels(outcome)
        self.orders_created = self.orders.labels("created")
        self.orders_replayed = self.orders.labels("replayed")
