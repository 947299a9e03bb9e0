"""Kafka kit: the records that go out and come in, as plain values."""

import msgspec

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(msgspec.Struct, frozen=True, order=True, gc=False):
    """One partition of one topic; ordered by topic, then by number."""

    topic: str
    partition: int


class OutgoingRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to be written. Records of one key keep their order; a record without a key has none.

    Its key chooses the partition, as the Java client does, unless it names one.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class RecordFault(msgspec.Struct, frozen=True, gc=False):
    """Why a record can be understood neither now nor later; `code` is stable."""

    code: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class IncomingRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it stands in the log. `timestamp_ms` is wall time, set by its writer or by the broker.

    With a `fault` its value or its headers are not to be used; headers that cannot be read are left out.
    Many thousands are in memory at a time, so neither making nor keeping one may cost the garbage collector.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    fault: RecordFault | None = None

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class Acknowledgement(msgspec.Struct, frozen=True):
    """Where the broker put a record. `offset` is -1 for a repeat whose offset it has forgotten."""

    topic: str
    partition: int
    offset: int


class Deadline(msgspec.Struct):
    """Until when a record may be handed to Kafka, on the monotonic clock; its owner may push it forward.

    One deadline may be shared by many records, so that one assignment renews all of them.
    """

    not_after: float

    def passed(self, now: float) -> bool:
        return now >= self.not_after
