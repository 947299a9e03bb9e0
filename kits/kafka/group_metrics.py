"""Kafka kit, administration: where groups stand, as metrics."""

import time

from kits.kafka.group_standing import GroupStanding
from kits.observability.metrics import Metrics

_LABELS = ("group", "topic", "partition")


class GroupMetrics:
    """Of one group; declared once per process. What is not known is not there, instead of an old number."""

    def __init__(self, metrics: Metrics) -> None:
        self._records = metrics.gauge(
            "kafka_consumer_lag_records", "Records that the group has not finished.", _LABELS
        )
        self._seconds = metrics.gauge(
            "kafka_consumer_lag_seconds", "How long the first of them has waited.", _LABELS
        )
        self._committed = metrics.gauge(
            "kafka_consumer_committed_offset", "The offset that the group reads next.", _LABELS
        )

    def show(self, standing: GroupStanding | None) -> None:
        """Show this standing and nothing of the one before; None: nothing is known."""
        for gauge in (self._records, self._seconds, self._committed):
            gauge.clear()
        if standing is None:
            return
        now = time.time()
        for each in standing.partitions:
            labels = (standing.group, each.partition.topic, str(each.partition.partition))
            self._records.labels(*labels).set(each.lag)
            self._seconds.labels(*labels).set(each.lag_seconds(now))
            if each.committed is not None:
                self._committed.labels(*labels).set(each.committed)
