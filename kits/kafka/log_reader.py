"""Kafka kit, administration: reads records where they stand, without a group, and finds offsets by time."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Self, TypeVar
from uuid import UUID

from aiokafka import errors as client
from aiokafka.admin import AIOKafkaAdminClient

from kits.kafka.broker_requests import COMMITTED, EARLIEST, LATEST, list_offsets, partitions_of
from kits.kafka.connections import Connections
from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_admin
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.internals import start_client
from kits.kafka.log_reading import LogPiece, read_log
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.kafka.security import KafkaSecurity, asking_options
from kits.kafka.topic_ids import topic_ids

T = TypeVar("T")


class LogReader:
    """A connection for looking things up, to be used as an async context manager.

    Each call ends within `within_seconds`.

    Raises, from every call:
        KafkaUnavailableError: no broker answered in time.
        KafkaConfigurationError: a right is missing.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        client_id: str,
        within_seconds: float = 10.0,
    ) -> None:
        self._options = asking_options(bootstrap_servers, security, client_id, within_seconds)
        self._within_seconds = within_seconds
        self._admin: AIOKafkaAdminClient | None = None

    async def __aenter__(self) -> Self:
        self._admin = AIOKafkaAdminClient(**self._options)
        try:
            await self._asked(start_client(self._admin), "connecting")
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._close()

    async def topic_ids(self, *topics: str) -> dict[str, UUID]:
        """The id of each topic that is there; one that was made anew has another."""
        return await self._asked(topic_ids(self._connections, topics), "asking for the ids of topics")

    async def partition_count(self, topic: str) -> int:
        """How many partitions it has; 0 when it is not there."""
        return len(await self._asked(partitions_of(self._connections, [topic]), f"looking for {topic}"))

    async def read(self, at: TopicPartition, offset: int, max_records: int) -> list[IncomingRecord]:
        """Records from `offset` on, what one fetch of 1 MiB brings; none at the log's end.

        Raises:
            RecordsUnreadableError, OffsetOutOfRangeError: what is asked for cannot be read, or is not there.
        """
        return (await self.piece(at, offset, max_records)).records

    async def piece(self, at: TopicPartition, offset: int, max_records: int) -> LogPiece:
        """The same, with the offset to go on at: records may be missing there.

        Raises: as `read`.
        """
        return await self._asked(self._piece(at, offset, max_records), f"reading {at.topic}-{at.partition}")

    async def bounds(self, topic: str) -> dict[TopicPartition, tuple[int, int]]:
        """Of every partition: where its log begins, and the end of what is committed.

        Raises:
            KafkaConfigurationError: there is no such topic.
            KafkaUnavailableError: a partition has no leader.
        """
        return await self._asked(self._bounds(topic), f"looking for the ends of {topic}")

    async def offsets_at(self, topic: str, when: datetime) -> dict[TopicPartition, int]:
        """Per partition the first offset whose record is as old as `when` or younger, or the log's end.

        A partition without a leader is left out.
        """
        return await self._asked(self._offsets_at(topic, when), f"looking for offsets of {topic}")

    async def _piece(self, at: TopicPartition, offset: int, max_records: int) -> LogPiece:
        if self._connections.cluster.partitions_for_topic(at.topic) is None:
            await partitions_of(self._connections, [at.topic])
        return await read_log(self._connections, at, offset, max_records=max_records, may_have_gaps=True)

    async def _bounds(self, topic: str) -> dict[TopicPartition, tuple[int, int]]:
        if not (partitions := await partitions_of(self._connections, [topic])):
            raise KafkaConfigurationError(f"there is no topic {topic}, or no right to see it")
        starts = await list_offsets(self._connections, partitions, EARLIEST)
        ends = await list_offsets(self._connections, partitions, LATEST, COMMITTED)
        if missing := set(partitions) - (starts.keys() & ends.keys()):
            names = ", ".join(f"{at.topic}-{at.partition}" for at in sorted(missing))
            raise KafkaUnavailableError(f"nobody answers for {names}: look at its leader")
        return {at: (starts[at], ends[at]) for at in partitions}

    async def _offsets_at(self, topic: str, when: datetime) -> dict[TopicPartition, int]:
        partitions = await partitions_of(self._connections, [topic])
        found = await list_offsets(self._connections, partitions, int(when.timestamp() * 1000))
        ends = await list_offsets(self._connections, partitions, LATEST)
        return {at: ends[at] if offset < 0 else offset for at, offset in found.items() if at in ends}

    async def _asked(self, question: Awaitable[T], doing: str) -> T:
        try:
            async with asyncio.timeout(self._within_seconds):
                return await question
        except (client.KafkaError, OSError, TimeoutError) as error:
            raise await explained(error, doing, self._options) from error

    async def _close(self) -> None:
        if self._admin is not None:
            await end_admin(self._admin)

    @property
    def _connections(self) -> Connections:
        return Connections(self._admin)
