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


class StaleAssignmentError(KafkaError):
    """The work began under an assignment that has ended; its offsets belong to someone else now."""

    code = "stale_assignment"


class PartitionError(KafkaError):
    """An error of one partition; the others go on. `topic_partition` names it."""

    code = "partition_error"

    def __init__(self, message: str, topic_partition: TopicPartition) -> None:
        super().__init__(message)
        self.topic_partition = topic_partition


class OffsetMissingError(PartitionError):
    """The group has no committed offset for this partition, and none is invented here: seek, then commit."""

    code = "offset_missing"

    def __init__(self, topic_partition: TopicPartition) -> None:
        super().__init__(
            f"no committed offset for partition {topic_partition.partition} of {topic_partition.topic}",
            topic_partition,
        )


class OffsetOutOfRangeError(PartitionError):
    """The position lies outside the log (expired, or the topic was made anew); nothing is skipped: seek."""

    code = "offset_out_of_range"

    def __init__(self, topic_partition: TopicPartition, offset: int) -> None:
        super().__init__(
            f"offset {offset} is outside the log of partition {topic_partition.partition}"
            f" of {topic_partition.topic}",
            topic_partition,
        )
        self.offset = offset


class RecordsUnreadableError(PartitionError):
    """What stands at this offset of the log cannot be unpacked, now or ever: it is damaged, or too new."""

    code = "records_unreadable"

    def __init__(self, topic_partition: TopicPartition, offset: int, reason: str) -> None:
        super().__init__(
            f"the records at offset {offset} of partition {topic_partition.partition}"
            f" of {topic_partition.topic} cannot be read: {reason}",
            topic_partition,
        )
        self.offset = offset
