"""Kafka kit: what can go wrong, in the words of the reader who has to mend it."""

from kits.kafka.records import TopicPartition


class KafkaError(Exception):
    """Root of every error of this kit; `code` is stable and meant for logs and metrics."""

    code = "kafka_error"


class KafkaUnavailableError(KafkaError):
    """No answer in time, or the client is beyond repair: wait, build a new one, try again."""

    code = "kafka_unavailable"


class KafkaConfigurationError(KafkaError):
    """Somebody has to change something: a right, a topic, a listener, a certificate, a password."""

    code = "kafka_configuration"


class InstanceIdInUseError(KafkaConfigurationError):
    """Another living member has our instance id; this one has stepped back. Build one without an id."""

    code = "kafka_instance_id_in_use"


class RecordTooLargeError(KafkaError):
    """Refused before the send, so nothing was disturbed: the record exceeds a known limit (bytes)."""

    code = "record_too_large"


class RecordRefusedError(KafkaError):
    """The broker refused this very record, sent alone. Sending it again cannot help."""

    code = "record_refused"


class SendNotDoneError(KafkaError):
    """Not acknowledged and given up here. Treat the record as *unknown*: it may or may not be in the log."""

    code = "send_not_done"


class BufferFullError(KafkaError):
    """Too many records, or too many bytes, wait for their acknowledgement. The record was not taken."""

    code = "send_buffer_full"


class PartitionError(KafkaError):
    """An error of one partition at one offset; the others go on, and nothing is skipped."""

    code = "partition_error"

    def __init__(self, topic_partition: TopicPartition, offset: int, message: str) -> None:
        super().__init__(message)
        self.topic_partition = topic_partition
        self.offset = offset


class OffsetOutOfRangeError(PartitionError):
    """The position lies outside the log: what stood there has expired, or the topic was made anew."""

    code = "offset_out_of_range"

    def __init__(self, at: TopicPartition, offset: int) -> None:
        super().__init__(
            at, offset, f"offset {offset} is outside the log of partition {at.partition} of {at.topic}"
        )


class RecordsUnreadableError(PartitionError):
    """What stands at this offset of the log cannot be unpacked, now or ever: it is damaged, or too new."""

    code = "records_unreadable"

    def __init__(self, at: TopicPartition, offset: int, reason: str) -> None:
        there = f"offset {offset} of partition {at.partition} of {at.topic}"
        super().__init__(at, offset, f"the records at {there} cannot be read: {reason}")
