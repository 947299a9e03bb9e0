"""Judges, topics: as NestJS asks its users to make them, and what comes to their logs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.waiting import eventually

PARTITIONS = 3


@asynccontextmanager
async def own_topics(servers: str, prefix: str, names: Sequence[str]) -> AsyncIterator[None]:
    """Topics of three partitions, as NestJS asks its users to make them, that can be read and written.

    At the end of the block every topic is deleted that begins with the prefix, whoever made it.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        topics = [f"{prefix}.{name}" for name in names]
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])

        async def all_are_led() -> bool:
            found = await admin.describe_topics(topics)
            leaders = [partition["leader"] for topic in found for partition in topic["partitions"]]
            return len(leaders) == PARTITIONS * len(topics) and min(leaders) >= 0

        await eventually(all_are_led)
        yield
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    finally:
        await admin.close()


@asynccontextmanager
async def tapped(servers: str, prefix: str, names: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of all partitions of these topics, from their end, without a group."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=20)
    await consumer.start()
    try:
        topics = [f"{prefix}.{name}" for name in names]
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        yield consumer
    finally:
        await consumer.stop()


async def new_records(consumer: AIOKafkaConsumer) -> list[ConsumerRecord[bytes, bytes]]:
    """What has come to the log since the last call."""
    found: list[ConsumerRecord[bytes, bytes]] = []
    for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
        while await consumer.position(partition) < end:
            found.append(await consumer.getone(partition))
    return found
