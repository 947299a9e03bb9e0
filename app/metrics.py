"""The metrics of the order service, each with its meaning."""

from kits.observability.metrics import Metrics

_OUTCOMES = ("created", "paid", "fulfilled", "cancelled", "expired", "replayed", "payment_refused")
_SOURCES = ("replica", "member-api", "cache", "fallback")


class AppMetrics:
    """Declared once per process; HTTP requests are counted by kits.web."""

    def __init__(self, metrics: Metrics) -> None:
        self.orders = metrics.counter(
            "orders_total",
            "Commands by outcome: created, or the status that was reached; replayed (the answer of their"
            " Idempotency-Key or payment reference); or the code of the refusal; a payment that is to be"
            " given back also as payment_refused.",
            ["outcome"],
        )
        for outcome in _OUTCOMES:
            self.orders.labels(outcome)
        sellers = metrics.tally(
            "product_sellers_total",
            "Sellers of single products that were shown, by where the name was from.",
            ["source"],
        )
        self.sellers = {source: sellers.labels(source) for source in _SOURCES}
        self.orders_created = self.orders.labels("created")
        self.orders_replayed = self.orders.labels("replayed")
        self.payments_refused = self.orders.labels("payment_refused")
