"""The metrics of the order service, each with its meaning."""

from kits.observability.metrics import Metrics


class AppMetrics:
    """Declared once per process; HTTP requests are counted by kits.web."""

    def __init__(self, metrics: Metrics) -> None:
        self.orders_created = metrics.counter("orders_created_total", "Orders committed by this process.")
        self.orders_replayed = metrics.counter(
            "orders_replayed_total", "Repeated requests answered with the order of their Idempotency-Key."
        )
        self.orders_refused = metrics.counter(
            "orders_refused_total", "Commands that the shop refused, by error code.", ["code"]
        )
        self.orders_moved = metrics.counter(
            "orders_moved_total", "Transitions committed by this process, by the status reached.", ["status"]
        )
