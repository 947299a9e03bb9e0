"""The topic of a drain: filled beforehand, and given to the group from its beginning again and again."""

import random

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.drain.events import backlog
from contracts.envelope import headers_of
from contracts.topics import DATA_PLATFORM_GROUP, ORDER_EVENTS, ORDER_EVENTS_PARTITIONS

PARTITIONS = [ClientPartition(ORDER_EVENTS, number) for number in range(ORDER_EVENTS_PARTITIONS)]
_UNDER_WAY = 10_000


async def create_topic(bootstrap_servers: str) -> None:
    """Make `order-events` as the product would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(ORDER_EVENTS, ORDER_EVENTS_PARTITIONS, 1)])
    finally:
        await admin.close()


async def fill_topic(bootstrap_servers: str, *, orders: int, seed: int) -> int:
    """Write the backlog of so many orders; returns the number of events."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, enable_idempotence=True, linger_ms=5, max_batch_size=256 * 1024
    )
    await producer.start()
    written = 0
    try:
        for message in backlog(orders, random.Random(seed)):  # noqa: S311 - load, no secret
            await producer.send(
                ORDER_EVENTS, message.payload, key=message.key, headers=list(headers_of(message))
            )
            written += 1
            if written % _UNDER_WAY == 0:
                await producer.flush()
    finally:
        await producer.stop()
    return written


async def rewind_group(bootstrap_servers: str) -> None:
    """The group, which must have no member, stands at the beginning of every partition again."""
    consumer = _consumer(bootstrap_servers)
    await consumer.start()
    try:
        consumer.assign(PARTITIONS)
        await consumer.commit(dict.fromkeys(PARTITIONS, 0))
    finally:
        await consumer.stop()


async def group_lag(bootstrap_servers: str) -> int:
    """How many records the group has not committed yet."""
    consumer = _consumer(bootstrap_servers)
    await consumer.start()
    try:
        consumer.assign(PARTITIONS)
        ends = await consumer.end_offsets(PARTITIONS)
        return sum([ends[at] - (await consumer.committed(at) or 0) for at in PARTITIONS])
    finally:
        await consumer.stop()


def _consumer(bootstrap_servers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, group_id=DATA_PLATFORM_GROUP, enable_auto_commit=False
    )
