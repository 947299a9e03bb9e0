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
        self.events_published = metrics.counter(
            "outbox_published_total", "Events acknowledged by Kafka and marked published."
        )
        self.events_failed = metrics.counter(
            "outbox_send_failures_total", "Sends that ended without an acknowledgement."
        )
        self.events_fenced = metrics.counter(
            "outbox_fenced_total",
            "Answers for rows that another process had claimed: possible repeats.",
        )
        self.backlog_rows = metrics.gauge(
            "outbox_backlog_rows", "Events recorded and not yet published; 10001: or more."
        )
        self.backlog_dead = metrics.gauge(
            "outbox_dead_rows", "Events refused by Kafka; each holds its order."
        )
        self.backlog_oldest = metrics.gauge(
            "outbox_oldest_unpublished_seconds",
            "Age of the oldest unpublished event; alert at minutes.",
        )
