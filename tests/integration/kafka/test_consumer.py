"""The group consumer: offsets by hand, epochs, pauses, rebalances and cancelled polls."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from kits.kafka.consumer import GroupConsumer
from kits.kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    KafkaUnavailableError,
    OffsetMissingError,
    OffsetOutOfRangeError,
    StaleAssignmentError,
)
from kits.kafka.records import TopicPartition
from tests.integration.kafka.clients import (
    PLAIN,
    Diary,
    consuming,
    new_group,
    polled,
    producing,
    record,
    soon,
)
from tests.waiting import eventually, patient


async def fill(servers: str, topic: str, count: int = 30) -> None:
    async with producing(servers) as producer:
        sends = [producer.send(record(topic, f"key-{n % 10}", n), not_after=soon()) for n in range(count)]
        await asyncio.gather(*sends)


async def poll_error(consumer: GroupConsumer, kind: type[KafkaError]) -> KafkaError:
    """Poll until that error comes."""
    found: list[KafkaError] = []

    async def raised() -> bool:
        try:
            await consumer.poll(timeout_ms=100, max_records=100)
        except kind as error:
            found.append(error)
        return bool(found)

    await eventually(raised)
    return found[0]


async def polling_until(condition: Callable[[], bool], *consumers: GroupConsumer) -> None:
    """Poll all of them, as their owners would, until the condition holds."""

    async def reached() -> bool:
        await asyncio.gather(*(consumer.poll(timeout_ms=50, max_records=100) for consumer in consumers))
        return condition()

    await eventually(reached)


async def test_a_new_group_has_no_offset_and_none_is_invented_until_one_is_sought_and_committed(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    group = new_group()
    async with consuming(kafka_servers, topic, group, Diary(begin=False)) as consumer:
        assert consumer.epoch == 0
        error = await poll_error(consumer, OffsetMissingError)
        assert isinstance(error, OffsetMissingError)
        assert error.topic_partition in consumer.assignment()
        starts = await consumer.log_start(consumer.assignment())
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        records = await polled(consumer, 30)
        ends = await consumer.log_end(consumer.assignment())
        await consumer.commit(ends, epoch=consumer.epoch, within_seconds=patient(30))
        assert sum(consumer.lag().values()) == 0
        assert {tp: consumer.position(tp) for tp in ends} == ends
    assert sorted(int(r.value or b"") for r in records) == list(range(30))
    async with consuming(kafka_servers, topic, group, Diary(begin=False)) as consumer:
        await polling_until(lambda: consumer.epoch == 1, consumer)
        assert await consumer.committed(consumer.assignment()) == ends


async def test_a_record_comes_as_it_was_written(kafka_servers: str, topic: str) -> None:
    sent = record(topic, "key", 7)
    async with producing(kafka_servers) as producer:
        place = await producer.send(sent, not_after=soon())
    async with consuming(kafka_servers, topic, new_group(), Diary()) as consumer:
        (found,) = await polled(consumer, 1)
    assert (found.key, found.value, found.headers) == (sent.key, sent.value, sent.headers)
    assert (found.topic_partition, found.offset) == (TopicPartition(topic, place.partition), place.offset)
    assert found.timestamp_ms > 1_700_000_000_000


async def test_a_complaint_about_a_partition_that_was_sought_meanwhile_is_not_told(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)

    class Slow(Diary):
        async def on_assigned(self, epoch: int, partitions: frozenset[TopicPartition]) -> None:
            # Long enough for the client to find out that there is no offset, before the seek.
            await asyncio.sleep(0.3)
            await super().on_assigned(epoch, partitions)

    group = new_group()
    async with consuming(kafka_servers, topic, group, Slow()) as one:
        await polled(one, 30)
        waiting = asyncio.create_task(one.poll(timeout_ms=5_000, max_records=100))
        async with consuming(kafka_servers, topic, group, Diary()) as two:
            await eventually(lambda: one.epoch == 2 and two.epoch >= 1)
            await waiting
            expected = sum((await one.log_end(one.assignment())).values())
            assert len(await polled(one, expected)) == expected


async def test_a_commit_under_an_epoch_that_has_ended_is_refused(kafka_servers: str, topic: str) -> None:
    group, first, second = new_group(), Diary(), Diary()
    async with consuming(kafka_servers, topic, group, first) as one:
        await polling_until(lambda: one.epoch == 1, one)
        old = dict.fromkeys(one.assignment(), 0)
        async with consuming(kafka_servers, topic, group, second) as two:
            await polling_until(lambda: one.epoch == 2 and two.epoch >= 1, one, two)
            with pytest.raises(StaleAssignmentError):
                await one.commit(old, epoch=1, within_seconds=patient(30))
            foreign = dict.fromkeys(two.assignment(), 0)
            with pytest.raises(StaleAssignmentError):
                await one.commit(foreign, epoch=one.epoch, within_seconds=patient(30))


async def test_two_members_share_the_partitions_and_the_group_waits_for_the_work_of_the_old_epoch(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    group, first, second = new_group(), Diary(), Diary()
    async with consuming(kafka_servers, topic, group, first) as one:
        await polled(one, 30)
        ends = await one.log_end(one.assignment())
        drained = asyncio.Event()

        async def drain_and_commit() -> None:
            await asyncio.sleep(0.5)
            assert second.events == [], "the other one has to wait"
            await one.commit(ends, epoch=1, within_seconds=patient(30))
            drained.set()

        first.when_revoked = drain_and_commit
        async with consuming(kafka_servers, topic, group, second) as two:
            await polling_until(lambda: one.epoch == 2 and two.epoch >= 1, one, two)
            assert drained.is_set()
            assert one.assignment() | two.assignment() == ends.keys()
            assert not one.assignment() & two.assignment()
            assert await two.committed(ends) == ends
            assert await one.poll(timeout_ms=100, max_records=10) == {}
            first.when_revoked = None
        await polling_until(lambda: one.epoch == 3, one)
    assert [name for name, _ in first.events] == [
        "assigned 1",
        "revoked",
        "assigned 2",
        "revoked",
        "assigned 3",
    ]


async def test_a_pause_survives_a_rebalance_and_loses_no_record(kafka_servers: str, topic: str) -> None:
    await fill(kafka_servers, topic)
    group, first = new_group(), Diary()
    async with consuming(kafka_servers, topic, group, first) as one:
        await polling_until(lambda: one.epoch == 1, one)
        everything = one.assignment()
        starts = await one.log_start(everything)
        one.pause(everything)
        for partition, offset in starts.items():
            one.seek(partition, offset)
        async with consuming(kafka_servers, topic, group, Diary()) as two:
            await polling_until(lambda: one.epoch == 2 and two.epoch >= 1, one)
            kept = one.assignment()
            assert one.paused() == kept
            assert all([await one.poll(timeout_ms=100, max_records=100) == {} for _ in range(5)])
            expected = sum((await one.log_end(kept)).values())
            one.resume(kept)
            assert one.paused() == frozenset()
            records = await polled(one, expected)
    assert len({(r.partition, r.offset) for r in records}) == expected


async def test_a_cancelled_poll_loses_nothing(kafka_servers: str, topic: str) -> None:
    async with consuming(kafka_servers, topic, new_group(), Diary()) as consumer:
        await polling_until(lambda: consumer.epoch == 1, consumer)
        waiting = asyncio.create_task(consumer.poll(timeout_ms=10_000, max_records=100))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
        await fill(kafka_servers, topic)
        records = await polled(consumer, 30)
    assert sorted(int(r.value or b"") for r in records) == list(range(30))


async def test_a_position_outside_the_log_is_told_and_the_other_partitions_go_on(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    await admin.delete_records({ClientPartition(topic, 0): RecordsToDelete(before_offset=2)})
    await admin.close()
    async with consuming(kafka_servers, topic, new_group(), Diary()) as consumer:
        broken = TopicPartition(topic, 0)
        await polling_until(lambda: (consumer.position(broken) or 0) >= 2, consumer)
        consumer.seek(broken, 0)
        error = await poll_error(consumer, OffsetOutOfRangeError)
        assert isinstance(error, OffsetOutOfRangeError)
        assert (error.topic_partition, error.offset) == (broken, 0)
        consumer.seek(broken, 2)
        await polling_until(lambda: consumer.position(broken) == await_end(consumer, broken), consumer)


def await_end(consumer: GroupConsumer, partition: TopicPartition) -> int | None:
    position = consumer.position(partition)
    lag = consumer.lag().get(partition)
    return None if position is None or lag is None else position + lag


async def test_what_the_listener_raises_comes_out_of_poll(kafka_servers: str, topic: str) -> None:
    class Broken(Diary):
        async def on_assigned(self, epoch: int, partitions: frozenset[TopicPartition]) -> None:
            raise KafkaUnavailableError("the listener could not read its offsets")

    async with consuming(kafka_servers, topic, new_group(), Broken()) as consumer:
        error = await poll_error(consumer, KafkaUnavailableError)
    assert "could not read" in str(error)


async def test_a_topic_that_does_not_exist_stops_the_start(kafka_servers: str) -> None:
    consumer = GroupConsumer(
        bootstrap_servers=kafka_servers,
        security=PLAIN,
        group=new_group(),
        topics=["no-such-topic"],
        client_id="test",
        listener=Diary(),
    )
    with pytest.raises(KafkaConfigurationError, match="no-such-topic"):
        await consumer.start()


async def test_a_stop_is_bounded_even_while_the_listener_hangs_in_a_revocation(
    kafka_servers: str, topic: str
) -> None:
    before = asyncio.all_tasks()
    group, first = new_group(), Diary()
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    async with consuming(kafka_servers, topic, group, first) as one:
        await polling_until(lambda: one.epoch == 1, one)
        first.when_revoked = hang
        async with consuming(kafka_servers, topic, group, Diary()) as two:
            await asyncio.wait_for(hanging.wait(), patient(60))
            await asyncio.wait_for(one.stop(within_seconds=0.3), patient(30))
            await polling_until(lambda: len(two.assignment()) == 3, two)
    await eventually(lambda: asyncio.all_tasks() <= before)


async def test_a_member_that_did_not_poll_for_too_long_comes_back_when_it_polls_again(
    kafka_servers: str, topic: str
) -> None:
    diary = Diary()
    async with consuming(kafka_servers, topic, new_group(), diary, max_poll_seconds=1.0) as consumer:
        await polling_until(lambda: consumer.epoch == 1, consumer)
        await eventually(lambda: diary.events[-1][0] == "revoked")
        await polling_until(lambda: consumer.epoch == 2, consumer)
        await fill(kafka_servers, topic)
        assert len(await polled(consumer, 30)) == 30


async def test_a_failure_of_the_group_s_own_task_comes_out_of_poll_in_the_middle_of_work(
    kafka_servers: str, topic: str
) -> None:
    async with consuming(kafka_servers, topic, new_group(), Diary()) as consumer:
        coordinator = consumer._live.client._coordinator
        # The client begins its heartbeats after the assignment, and there is a while between the two.
        await polling_until(lambda: consumer.epoch == 1 and coordinator._heartbeat_task is not None, consumer)
        coordinator._heartbeat_task.cancel()
        coordinator._heartbeat_task = asyncio.create_task(_heartbeat_fails())
        error = await poll_error(consumer, KafkaUnavailableError)
    assert "build a new consumer" in str(error)


async def _heartbeat_fails() -> None:
    raise client.KafkaError("an answer that the client does not know")
