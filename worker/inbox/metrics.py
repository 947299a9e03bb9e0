"""Inbox, metrics: declared once per process, labelled by group."""

from kits.observability.metrics import Metrics


class InboxMetrics:
    """What the inboxes of a process tell beside their queues."""

    def __init__(self, metrics: Metrics) -> None:
        group = ["group"]
        self.repeats = metrics.tally(
            "delivery_repeats_total", "Records of events that were known already, and dropped.", group
        )
        self.conflicts = metrics.tally(
            "delivery_number_conflicts_total",
            "Events whose number belongs to another event: kept, and given up.",
            group,
        )
        self.oldest_transaction = metrics.gauge(
            "db_oldest_transaction_seconds",
            "Age of the oldest transaction in the inbox's database: dead rows stay as long as it does.",
        )
