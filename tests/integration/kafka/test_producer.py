"""The producer on a broker that is well: order, limits, deadlines and records that the broker refuses."""

import asyncio
import time

import pytest

from kits.kafka.admin import TopicSpec
from kits.kafka.errors import (
    BufferFullError,
    KafkaConfigurationError,
    RecordRefusedError,
    RecordTooLargeError,
    SendNotDoneError,
)
from kits.kafka.records import Deadline, OutgoingRecord
from tests.integration.kafka.clients import by_key, producing, record, repeats, soon, topic_admin, whole_log
from tests.waiting import eventually, patient


async def test_under_load_every_record_is_acknowledged_once_and_in_the_order_of_its_key(
    kafka_servers: str, topic: str
) -> None:
    async with producing(kafka_servers) as producer:
        numbers = [(f"key-{n % 50}", n) for n in range(8_000)]
        sends = [producer.send(record(topic, key, n, padding=200), not_after=soon()) for key, n in numbers]
        acknowledgements = await asyncio.gather(*sends)
    log = await whole_log(kafka_servers, topic)
    assert len({(a.partition, a.offset) for a in acknowledgements}) == 8_000
    assert sorted(log) == sorted(numbers)
    assert all(found == sorted(found) for found in by_key(log).values())


async def test_an_acknowledgement_names_the_place_where_the_record_stands(
    kafka_servers: str, topic: str
) -> None:
    async with producing(kafka_servers) as producer:
        await producer.warm([topic])
        first, second = [
            await producer.send(record(topic, "same", number), not_after=soon()) for number in (1, 2)
        ]
        assert producer.pending == 0
        assert producer.oldest_pending_seconds == 0.0
        assert await producer.broker_answers(within_seconds=patient(30))
    assert (first.topic, first.partition, first.offset) == (topic, second.partition, 0)
    assert second.offset == 1


async def test_a_record_over_the_topics_limit_is_refused_alone_and_its_neighbours_arrive_in_order(
    kafka_servers: str, topic: str
) -> None:
    limited = f"{topic}-limited"
    admin = topic_admin(kafka_servers)
    await admin.ensure_topics([TopicSpec(limited, 1, config={"max.message.bytes": "3000"})])
    try:
        async with producing(kafka_servers) as producer:
            await producer.warm([limited])
            sends = [
                producer.send(
                    record(limited, "large" if n == 5 else f"key-{n % 3}", n, padding=4000 if n == 5 else 0),
                    not_after=soon(),
                )
                for n in range(30)
            ]
            follower = producer.send(record(limited, "large", 30), not_after=soon())
            outcomes = await asyncio.gather(*sends, follower, return_exceptions=True)
        log = await whole_log(kafka_servers, limited)
    finally:
        await admin.delete_topics([limited])
    assert isinstance(outcomes[5], RecordRefusedError)
    assert isinstance(outcomes[30], SendNotDoneError), "what follows a refused record of its key is held back"
    assert [number for _, number in log if number not in (5, 30)] == [n for n in range(30) if n != 5]
    assert not repeats(log)


async def test_a_known_topic_limit_is_applied_before_the_send(kafka_servers: str, topic: str) -> None:
    async with producing(kafka_servers) as producer:
        producer.limit_record_size(topic, 1_000)
        with pytest.raises(RecordTooLargeError):
            producer.send(record(topic, "large", 1, padding=1_000), not_after=soon())
        with pytest.raises(RecordTooLargeError):
            producer.send(record("another", "large", 1, padding=1_048_576), not_after=soon())
        await producer.send(record(topic, "small", 1), not_after=soon())
        assert producer.pending == 0


async def test_a_refusal_the_client_cannot_read_counts_once_it_is_repeated_while_others_succeed(
    kafka_servers: str, topic: str
) -> None:
    compacted = f"{topic}-compacted"
    admin = topic_admin(kafka_servers)
    await admin.ensure_topics([TopicSpec(compacted, 1, config={"cleanup.policy": "compact"})])
    try:
        async with producing(kafka_servers) as producer:
            # A compacted topic takes no record without a key: INVALID_RECORD, a code newer than the client.
            refused = producer.send(OutgoingRecord(compacted, None, b"1"), not_after=soon())

            async def others_succeed() -> bool:
                await producer.send(record(topic, "other", 1), not_after=soon())
                return refused.done()

            await eventually(others_succeed)
            with pytest.raises(RecordRefusedError):
                await refused
    finally:
        await admin.delete_topics([compacted])


async def test_a_record_whose_deadline_has_passed_is_never_handed_over_and_holds_its_key_back(
    kafka_servers: str, topic: str
) -> None:
    async with producing(kafka_servers) as producer:
        late = producer.send(record(topic, "late", 1), not_after=time.monotonic())
        follower = producer.send(record(topic, "late", 2), not_after=soon())
        other = producer.send(record(topic, "other", 1), not_after=soon())
        outcomes = await asyncio.gather(late, follower, other, return_exceptions=True)
    assert isinstance(outcomes[0], SendNotDoneError)
    assert isinstance(outcomes[1], SendNotDoneError)
    assert await whole_log(kafka_servers, topic) == [("other", 1)]


async def test_a_topic_that_does_not_exist_is_a_matter_of_configuration(
    kafka_servers: str, topic: str
) -> None:
    async with producing(kafka_servers, missing_topic_grace_seconds=0.2) as producer:
        lost = producer.send(record("no-such-topic", "key", 1), not_after=soon())
        with pytest.raises(KafkaConfigurationError, match="no-such-topic"):
            await lost
        await producer.send(record(topic, "key", 1), not_after=soon())


async def test_a_topic_that_is_made_after_the_send_gets_its_records_in_order(
    kafka_servers: str, topic: str
) -> None:
    late = f"{topic}-late"
    admin = topic_admin(kafka_servers)
    async with producing(kafka_servers) as producer:
        sends = [producer.send(record(late, "key", n), not_after=soon()) for n in range(20)]
        await admin.ensure_topics([TopicSpec(late, 3)])
        await asyncio.gather(*sends)
    try:
        assert await whole_log(kafka_servers, late) == [("key", n) for n in range(20)]
    finally:
        await admin.delete_topics([late])


async def test_what_waits_for_an_acknowledgement_is_bounded(kafka_servers: str, topic: str) -> None:
    async with producing(kafka_servers, max_pending=2) as producer:
        sends = [producer.send(record(topic, "key", n), not_after=soon()) for n in range(2)]
        with pytest.raises(BufferFullError):
            producer.send(record(topic, "key", 2), not_after=soon())
        await asyncio.gather(*sends)
        await producer.send(record(topic, "key", 3), not_after=soon())


async def test_a_deadline_that_its_owner_pushes_forward_keeps_the_record_alive(
    kafka_servers: str, topic: str
) -> None:
    now = time.monotonic()
    async with producing(kafka_servers, clock=lambda: now) as producer:
        await producer.warm([topic])
        deadline = Deadline(not_after=now)
        deadline.not_after = now + 1.0
        await producer.send(record(topic, "key", 1), not_after=deadline)


async def test_a_stopped_producer_takes_nothing(kafka_servers: str, topic: str) -> None:
    async with producing(kafka_servers) as producer:
        sent = producer.send(record(topic, "key", 1), not_after=soon())
    await sent
    with pytest.raises(SendNotDoneError):
        producer.send(record(topic, "key", 2), not_after=soon())


async def test_a_record_that_names_its_partition_stands_there_and_one_that_does_not_exist_is_refused(
    kafka_servers: str, topic: str
) -> None:
    def named(partition: int) -> OutgoingRecord:
        return OutgoingRecord(topic, b"same key", b"0", partition=partition)

    async with producing(kafka_servers, batch_spacing_seconds=0.0) as producer:
        early = producer.send(named(7), not_after=soon())
        sends = [producer.send(named(partition), not_after=soon()) for partition in (2, 0, 1, 2)]
        assert [(await sent).partition for sent in sends] == [2, 0, 1, 2]
        with pytest.raises(KafkaConfigurationError, match="no such partition"):
            await asyncio.wait_for(early, patient(60))
        with pytest.raises(KafkaConfigurationError, match="no such partition"):
            producer.send(named(3), not_after=soon())
