"""Kafka kit, receiving: where a partition could be read from, and in which topic that is."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import msgspec
from aiokafka import errors as client

from kits.kafka.broker_requests import COMMITTED, EARLIEST, LATEST, committed_of, list_offsets
from kits.kafka.connections import Connections
from kits.kafka.failures import translated
from kits.kafka.records import TopicPartition
from kits.kafka.topic_ids import topic_ids
from kits.observability.logs import get_logger

log = get_logger(__name__)


class Place(msgspec.Struct, frozen=True):
    """Where a partition could be read from; offsets are those of the next record to read.

    `log_end` is the end of what is committed; `committed` is the group's own offset, None without one.
    """

    topic_id: UUID
    log_start: int
    log_end: int
    committed: int | None

    @property
    def goes_on_at(self) -> int:
        """Where the group left off; the log's start if that is gone, or in a topic that was made anew."""
        if self.committed is not None and self.log_start <= self.committed <= self.log_end:
            return self.committed
        return self.log_start


async def places_of(
    connections: Connections, group: str, partitions: Iterable[TopicPartition], *, within_seconds: float
) -> dict[TopicPartition, Place]:
    """See GroupReader.places()."""
    wanted = sorted(partitions)
    try:
        async with asyncio.timeout(within_seconds):
            ids = await topic_ids(connections, {at.topic for at in wanted})
            there = [at for at in wanted if at.topic in ids]
            starts = await list_offsets(connections, there, EARLIEST)
            ends = await list_offsets(connections, there, LATEST, COMMITTED)
            committed = await committed_of(connections, group)
    except (client.KafkaError, OSError, TimeoutError) as error:
        raise translated(error, "asking where partitions can be read from") from error
    known = starts.keys() & ends.keys()
    if missing := set(wanted) - known:
        connections.look_again()
        names = [f"{at.topic}-{at.partition}" for at in sorted(missing)]
        action = "look at their leaders and at the topic: they are not read before somebody answers for them"
        log.warning("kafka_places_not_known", partitions=names, action=action)
    return {at: Place(ids[at.topic], starts[at], ends[at], committed.get(at)) for at in known}
