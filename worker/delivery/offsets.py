"""Delivery: which offsets may be committed. Only what was received and is finished, without a hole."""

from collections import OrderedDict

from kits.kafka.records import IncomingRecord, TopicPartition


class PartitionOffsets:
    """The unfinished records of one partition in one epoch.

    Memory grows with the unfinished records only. Offsets that the log leaves out (transaction markers,
    compaction) are no holes: only received ones count.
    """

    def __init__(self, next_offset: int) -> None:
        self._unfinished: OrderedDict[int, int] = OrderedDict()
        self._received = next_offset
        self._committed = next_offset
        self.unfinished_bytes = 0

    def received(self, offset: int, size: int) -> bool:
        """Note a record of `size` bytes; False if this epoch has had it before."""
        if offset < self._received:
            return False
        self._unfinished[offset] = size
        self.unfinished_bytes += size
        self._received = offset + 1
        return True

    def finished(self, offset: int) -> None:
        """The record's verdict is safe in the ledger, or it needs none."""
        self.unfinished_bytes -= self._unfinished.pop(offset, 0)

    def committed(self, offset: int) -> None:
        """The group has committed this `next to read`."""
        self._committed = max(self._committed, offset)

    @property
    def unfinished(self) -> int:
        """How many records were received and are not finished."""
        return len(self._unfinished)

    @property
    def next_offset(self) -> int:
        """The offset to be read next after a restart: the first unfinished, else the first not received."""
        return next(iter(self._unfinished), self._received)

    @property
    def is_dirty(self) -> bool:
        """There is something to commit."""
        return self.next_offset > self._committed


class OffsetTracker:
    """The offsets of all partitions that are open in the current epoch."""

    def __init__(self) -> None:
        self.partitions: dict[TopicPartition, PartitionOffsets] = {}

    def open(self, partition: TopicPartition, next_offset: int) -> None:
        """Begin to track; `next_offset` is where the group stands."""
        self.partitions[partition] = PartitionOffsets(next_offset)

    def finished(self, record: IncomingRecord) -> None:
        """See PartitionOffsets.finished."""
        offsets = self.partitions.get(record.topic_partition)
        if offsets is not None:
            offsets.finished(record.offset)

    def to_commit(self) -> dict[TopicPartition, int]:
        """What has changed since the last commit."""
        return {at: offsets.next_offset for at, offsets in self.partitions.items() if offsets.is_dirty}

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        """See PartitionOffsets.committed."""
        for partition, offset in offsets.items():
            if partition in self.partitions:
                self.partitions[partition].committed(offset)

    def close(self) -> None:
        """Forget everything: the epoch has ended."""
        self.partitions.clear()
