"""Request-reply, ports: what client and server need of Kafka, so that they run on a fake too."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from kits.kafka.errors import PartitionError
from kits.kafka.places import Place
from kits.kafka.records import Acknowledgement, Deadline, IncomingRecord, OutgoingRecord, TopicPartition


class RpcProducer(Protocol):
    """kits.kafka.producer.RecordProducer, without a distance between batches."""

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """Take a record; those of one key keep their order."""
        ...


class ReplyTail(Protocol):
    """kits.kafka.partition_tail.PartitionTail."""

    async def open(self) -> TopicPartition:
        """Connect; what is written from now on will be read."""
        ...

    async def poll(self, timeout_ms: int) -> list[IncomingRecord]:
        """What has come since."""
        ...

    async def close(self) -> None:
        """End."""
        ...


class RequestReader(Protocol):
    """kits.kafka.group_reader.GroupReader, which hands back what is under way."""

    @property
    def rebalances(self) -> int: ...

    @property
    def is_handing_back(self) -> bool: ...

    @property
    def unplaced(self) -> frozenset[TopicPartition]: ...

    @property
    def stopped(self) -> Mapping[TopicPartition, PartitionError]: ...

    async def start(self) -> None: ...

    async def stop(self, within_seconds: float) -> None: ...

    async def places(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Place]: ...

    async def offsets_at(
        self, partitions: Iterable[TopicPartition], when_ms: int
    ) -> dict[TopicPartition, int | None]: ...

    async def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]: ...

    async def commit(self, offsets: Mapping[TopicPartition, int], within_seconds: float) -> bool: ...

    def place(self, partition: TopicPartition, offset: int) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def hand_back(self) -> None: ...


class RequestReaders(Protocol):
    """Makes the members of the server's group."""

    def new(self, topics: Iterable[str]) -> RequestReader:
        """A member that is not started."""
        ...


class NeededTopics(Protocol):
    """The topics that a client or server needs."""

    async def ensure(self) -> None:
        """Make what is missing. Raises: KafkaUnavailableError, KafkaConfigurationError."""
        ...
