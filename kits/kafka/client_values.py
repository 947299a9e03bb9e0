"""Kafka kit: the client's partitions and records as this kit's own, and back."""

from typing import Any

from aiokafka import TopicPartition as ClientPartition

from kits.kafka.records import IncomingRecord, TopicPartition


def in_client(partition: TopicPartition) -> ClientPartition:
    """The client's own name for a partition."""
    return ClientPartition(partition.topic, partition.partition)


def from_client(partition: ClientPartition) -> TopicPartition:
    """The opposite."""
    return TopicPartition(partition.topic, partition.partition)


def incoming(record: Any) -> IncomingRecord:
    """The client's record as this kit's own; a header without a value has an empty one."""
    return IncomingRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple([header if header[1] is not None else (header[0], b"") for header in record.headers]),
    )
