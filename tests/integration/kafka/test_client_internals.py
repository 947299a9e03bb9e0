"""What the kit uses of the client's private parts is still there: a new client version must pass these."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client

from kits.kafka import internals
from kits.kafka.producer_session import ProducerSession, SessionEndedError
from kits.kafka.records import TopicPartition
from tests.integration.kafka.clients import record, whole_log
from tests.waiting import patient


async def test_the_sender_task_can_be_ended_and_stop_returns_afterwards(kafka_servers: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers, enable_idempotence=True)
    await producer.start()
    told = asyncio.Event()
    internals.when_sender_ends(producer, told.set)
    assert await internals.end_sender(producer, within_seconds=patient(30))
    assert producer._sender.sender_task.done()
    await asyncio.wait_for(told.wait(), patient(30))
    await asyncio.wait_for(producer.stop(), patient(30))


async def test_a_discarded_session_ends_its_open_batches_and_never_delivers_them(
    kafka_servers: str, topic: str
) -> None:
    session = await ProducerSession.open(
        {"bootstrap_servers": kafka_servers, "enable_idempotence": True}, [topic]
    )
    at = TopicPartition(topic, 0)
    assert session.partitions_of(topic) == [0, 1, 2]
    assert session.has_leader(at)
    # The sender is gone before it saw the batch, as it is when a broker does not answer.
    await internals.end_sender(session._producer, within_seconds=patient(30))
    delivery = asyncio.create_task(session.deliver(at, [record(topic, "key", 1)]))
    await asyncio.sleep(0)
    await session.discard()
    with pytest.raises(SessionEndedError):
        await delivery
    assert await whole_log(kafka_servers, topic) == []


async def test_a_sender_that_dies_breaks_its_session(kafka_servers: str, topic: str) -> None:
    session = await ProducerSession.open(
        {"bootstrap_servers": kafka_servers, "enable_idempotence": True}, [topic]
    )
    session._producer._sender.sender_task.cancel()
    await asyncio.wait_for(session.broken.wait(), patient(30))
    await session.discard()


async def test_membership_position_and_a_dead_fetch_task_can_be_seen(kafka_servers: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_servers, group_id=f"group-{topic}", auto_offset_reset="earliest"
    )
    assert not internals.is_member(consumer)
    await consumer.start()
    try:
        assert internals.is_member(consumer)
        internals.raise_coordination_error(consumer)
        idle = consumer._subscription.fetcher_idle_time
        internals.note_poll(consumer)
        assert consumer._subscription.fetcher_idle_time < idle
        assert not internals.fetcher_failed(consumer)
        partition = TopicPartition(topic, 0)
        await consumer.seek_to_end()
        assert await consumer.position(ClientPartition(topic, 0)) == 0
        assert internals.position_of(consumer, partition) == 0
        assert internals.position_of(consumer, TopicPartition(topic, 99)) is None
    finally:
        await internals.end_consumer(consumer, within_seconds=patient(30))
        assert internals.fetcher_failed(consumer)
        await consumer.stop()


async def test_a_discard_that_is_cancelled_is_finished_all_the_same(kafka_servers: str, topic: str) -> None:
    session = await ProducerSession.open(
        {"bootstrap_servers": kafka_servers, "enable_idempotence": True}, [topic]
    )
    discarding = asyncio.create_task(session.discard())
    await asyncio.sleep(0)
    discarding.cancel()
    await asyncio.wait([discarding], timeout=patient(30))
    assert discarding.cancelled()
    assert session._producer._closed
    assert session._producer._sender.sender_task.done()


async def test_an_error_that_keeps_a_consumer_out_of_its_group_can_be_seen(
    kafka_servers: str, topic: str
) -> None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_servers, group_id=f"group-{topic}")
    internals.raise_coordination_error(consumer)
    await consumer.start()
    try:
        pushing = consumer._coordinator._push_error_to_user(client.GroupAuthorizationFailedError("the-group"))
        with pytest.raises(client.GroupAuthorizationFailedError, match="the-group"):
            internals.raise_coordination_error(consumer)
        await asyncio.wait_for(pushing, patient(30))
    finally:
        await consumer.stop()
