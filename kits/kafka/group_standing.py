"""Kafka kit, administration: where a group stands, as plain values."""

import msgspec

from kits.kafka.broker_requests import GroupMember
from kits.kafka.records import TopicPartition


class PartitionStanding(msgspec.Struct, frozen=True):
    """Where a group stands in one partition; offsets are the next to be read or written.

    `lag` counts what is not finished, transaction markers in between included: never below 0, and all that is
    there if nothing is committed, or something outside the log. `unread_since` is the wall time of the first
    unread record, or since when this watch has seen it unread if that cannot be read; None when all is read.
    `last_stable` is where an open transaction begins, else `log_end`; `transaction_seconds` is how long this
    watch has seen that one open.
    """

    partition: TopicPartition
    committed: int | None
    log_start: int
    log_end: int
    last_stable: int
    lag: int
    unread_since: float | None
    transaction_seconds: float

    def lag_seconds(self, now: float) -> float:
        """How long the first unread record has waited at that wall time."""
        return 0.0 if self.unread_since is None else max(0.0, now - self.unread_since)


class GroupStanding(msgspec.Struct, frozen=True):
    """A group's members and its standing per partition; partitions without an answer are in `unmeasured`."""

    group: str
    measured_at: float
    members: tuple[GroupMember, ...]
    partitions: tuple[PartitionStanding, ...]
    unmeasured: frozenset[TopicPartition]

    @property
    def lag(self) -> int:
        """Of all measured partitions."""
        return sum(each.lag for each in self.partitions)
