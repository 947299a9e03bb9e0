"""Kafka kit, administration: where groups stand, as metrics."""

import time

from kits.kafka.group_standing import GroupStanding
from kits.observability.metrics import Metrics

_LABELS = ("group", "topic", "partition")


class GroupMetrics:
    """Of all groups that a process watches. What is not known is not there, instead of an old number."""

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
        self._members = metrics.gauge(
            "kafka_consumer_group_members", "Members of the group; 0: nobody consumes.", ["group"]
        )
        self._shown: dict[str, list[tuple[str, str, str]]] = {}

    def show(self, group: str, standing: GroupStanding | None) -> None:
        """Show this standing of the group and nothing of the one before; None: nothing is known of it."""
        if group in self._shown:
            self._members.remove(group)
        for labels in self._shown.pop(group, ()):
            for gauge in (self._records, self._seconds, self._committed):
                gauge.remove(*labels)
        if standing is None:
            return
        now = time.time()
        shown = self._shown.setdefault(group, [])
        self._members.labels(group).set(len(standing.members))
        for each in standing.partitions:
            labels = (group, each.partition.topic, str(each.partition.partition))
            shown.append(labels)
            self._records.labels(*labels).set(each.lag)
            self._seconds.labels(*labels).set(each.lag_seconds(now))
            if each.committed is not None:
                self._committed.labels(*labels).set(each.committed)
