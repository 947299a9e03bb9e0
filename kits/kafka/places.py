"""Kafka kit, receiving: where a partition could be read from, and in which topic that is."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client

from kits.kafka.client_values import in_client
from kits.kafka.failures import translated
from kits.kafka.internals import connections_of
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


async def places_of(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition], *, within_seconds: float
) -> dict[TopicPartition, Place]:
    """See GroupReader.places(). A partition without a leader costs the others nothing but time."""
    asked: dict[TopicPartition, asyncio.Task[Place]] = {}
    late: set[TopicPartition] = set()
    try:
        async with asyncio.timeout(within_seconds):
            wanted = list(partitions)
            ids = await topic_ids(connections_of(consumer), {at.topic for at in wanted})
            for at in wanted:
                if at.topic in ids:
                    asked[at] = asyncio.create_task(_place_of(consumer, at, ids[at.topic]))
            if asked:
                await asyncio.wait(asked.values())
    except (client.KafkaError, OSError, TimeoutError) as error:
        if not asked:
            raise translated(error, "asking for the ids of topics") from error
    finally:
        late |= {at for at, task in asked.items() if task.cancel()}
    failed = {at: TimeoutError() if at in late else task.exception() for at, task in asked.items()}
    for at, failure in failed.items():
        if failure is not None:
            log.warning(
                "kafka_place_not_known", topic=at.topic, partition=at.partition, error=repr(failure),
                action="look at the partition's leader: it is not read before it answers",
            )  # fmt: skip
    if failed and all(failed.values()):
        raise translated(next(filter(None, failed.values())), "reading offsets")
    return {at: task.result() for at, task in asked.items() if failed[at] is None}


async def _place_of(consumer: AIOKafkaConsumer, at: TopicPartition, topic_id: UUID) -> Place:
    inside = in_client(at)
    starts, ends = await consumer.beginning_offsets([inside]), await consumer.end_offsets([inside])
    return Place(topic_id, starts[inside], ends[inside], await consumer.committed(inside))
