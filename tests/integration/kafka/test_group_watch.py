"""A group seen from outside: lag that is right whatever its members do, and records read where they stand."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from structlog.testing import capture_logs

from devservices.kafka_config import DATA
from devservices.stack import Stack
from kits.kafka.errors import KafkaUnavailableError, OffsetOutOfRangeError, RecordsUnreadableError
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_standing import GroupStanding, PartitionStanding
from kits.kafka.group_watch import GroupWatch
from kits.kafka.log_reader import LogReader
from kits.kafka.records import TopicPartition
from kits.observability.metrics import Metrics
from tests.integration.kafka.clients import PLAIN, new_group
from tests.integration.kafka.raw_batches import RECORDS_AT, RawName, damage_batch, flip, send_batches
from tests.integration.kafka.reading import assigned, read_until, reading
from tests.waiting import eventually, patient


def watch(servers: str, topic: str, group: str) -> GroupWatch:
    return GroupWatch(
        bootstrap_servers=servers,
        security=PLAIN,
        client_id="test-watch",
        group=group,
        topics=[topic],
        within_seconds=patient(10),
    )


def log_reader(servers: str) -> LogReader:
    return LogReader(bootstrap_servers=servers, security=PLAIN, client_id="test", within_seconds=patient(10))


def lags(standing: GroupStanding) -> list[int]:
    return [each.lag for each in standing.partitions]


async def test_lag_is_right_without_a_member_while_paused_unplaced_and_when_the_records_are_done(
    kafka_servers: str, topic: str
) -> None:
    group, at = new_group(), TopicPartition(topic, 1)
    seen = watch(kafka_servers, topic, group)

    async def every_partition_answers() -> bool:
        return lags(await seen.measure()) == [0, 0, 0]

    # The metadata name a leader a moment before it serves.
    await eventually(every_partition_answers)
    await send_batches(kafka_servers, at, [(b"k", b"0", []), (b"k", b"1", [])], [(b"k", b"2", [])])
    nobody = await seen.measure()
    assert (lags(nobody), nobody.lag, nobody.members, nobody.unmeasured) == ([0, 3, 0], 3, (), frozenset())
    assert 0 <= nobody.partitions[1].lag_seconds(nobody.measured_at) < patient(60)
    assert nobody.partitions[0].lag_seconds(nobody.measured_at) == 0
    async with reading(kafka_servers, topic, group) as reader:
        await assigned(reader)
        reader.pause()
        unplaced = await seen.measure()
        assert [member.client_id for member in unplaced.members] == ["test-reader"]
        assert lags(unplaced) == [0, 3, 0]
        reader.resume()
        await read_until(lambda found: len(found) == 3, reader)
        assert await reader.commit({at: 2}, within_seconds=patient(30))
        one = (await seen.measure()).partitions[1]
        assert (one.committed, one.log_start, one.log_end, one.lag) == (2, 0, 3, 1)
        assert await reader.commit({at: 3}, within_seconds=patient(30))
        assert lags(await seen.measure()) == [0, 0, 0]


async def test_offsets_outside_the_log_never_count_as_caught_up(kafka_servers: str, topic: str) -> None:
    group, at = new_group(), TopicPartition(topic, 0)
    await send_batches(kafka_servers, at, *[[(b"k", b"v", [])] for _ in range(4)])
    async with reading(kafka_servers, topic, group) as reader:
        await read_until(lambda found: len(found) == 4, reader)
        assert await reader.commit({at: 100}, within_seconds=patient(30))
    seen = watch(kafka_servers, topic, group)
    assert (await seen.measure()).partitions[0].lag == 4
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    await admin.delete_records({ClientPartition(topic, 0): RecordsToDelete(before_offset=3)})
    await admin.close()
    one = (await seen.measure()).partitions[0]
    assert (one.log_start, one.lag) == (3, 1)


async def test_a_transaction_s_marker_is_no_lag_and_an_open_transaction_is_told(
    kafka_servers: str, topic: str
) -> None:
    group, at = new_group(), TopicPartition(topic, 0)
    seen = watch(kafka_servers, topic, group)
    writer = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=topic)
    await writer.start()
    try:
        async with reading(kafka_servers, topic, group) as reader:
            await writer.begin_transaction()
            await writer.send_and_wait(topic, b"1", partition=0)
            held = (await seen.measure()).partitions[0]
            assert (held.log_end, held.last_stable, held.lag) == (1, 0, 1)
            await asyncio.sleep(0.01)
            held = (await seen.measure()).partitions[0]
            assert held.transaction_seconds > 0
            await writer.commit_transaction()
            await read_until(lambda found: found, reader)
            assert await reader.commit({at: 1}, within_seconds=patient(30))
            marker = (await seen.measure()).partitions[0]
            assert (marker.committed, marker.log_end, marker.lag) == (1, 2, 0)
            assert (marker.unread_since, marker.transaction_seconds) == (None, 0.0)
            await writer.begin_transaction()
            await writer.send_and_wait(topic, b"2", partition=0)
            await writer.abort_transaction()
            assert (await seen.measure()).partitions[0].lag == 0
    finally:
        await writer.stop()


async def test_a_partition_that_cannot_be_read_has_a_lag_and_an_age_too(
    own_servers: Stack, topic: str
) -> None:
    await asyncio.to_thread(own_servers.kafka.start, patient(60))
    servers, at = own_servers.kafka.bootstrap_servers, TopicPartition(topic, 0)
    await send_batches(servers, at, *[[(b"k", str(number).encode(), [])] for number in range(2)])
    damage_batch(
        own_servers.instance.directory / "kafka" / DATA / f"{topic}-0" / f"{0:020}.log",
        0,
        flip(RECORDS_AT + 5),
    )
    seen = watch(servers, topic, new_group())
    first = (await seen.measure()).partitions[0]
    again = (await seen.measure()).partitions[0]
    assert first.lag == 2
    assert first.unread_since is not None
    assert first.unread_since == again.unread_since
    async with log_reader(servers) as log:
        with pytest.raises(RecordsUnreadableError):
            await log.read(at, 0, 1)
        assert [each.value for each in await log.read(at, 1, 1)] == [b"1"]


async def test_records_are_read_by_their_place_and_offsets_are_found_by_time(
    kafka_servers: str, topic: str
) -> None:
    at = TopicPartition(topic, 0)
    odd = (b"k", b"1", [(RawName(b"\xff"), b"")])
    await send_batches(kafka_servers, at, [(b"k", b"0", [("a", b"x")]), odd])
    between = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await send_batches(kafka_servers, at, [(b"k", b"2", [])])
    async with log_reader(kafka_servers) as log:
        found = await log.read(at, 0, 10)
        assert [(each.offset, each.value, bool(each.fault)) for each in found] == [
            (0, b"0", False),
            (1, b"1", True),
            (2, b"2", False),
        ]
        assert [each.offset for each in await log.read(at, 1, 1)] == [1]
        assert await log.read(at, 3, 1) == []
        with pytest.raises(OffsetOutOfRangeError):
            await log.read(at, 4, 1)
        others = {TopicPartition(topic, number): 0 for number in (1, 2)}
        assert await log.offsets_at(topic, between) == {at: 2, **others}
        assert await log.offsets_at(topic, between - timedelta(days=1)) == {at: 0, **others}
        assert await log.offsets_at(topic, between + timedelta(days=1)) == {at: 3, **others}
        assert (await log.topic_ids(topic, "no-such-topic")).keys() == {topic}
        assert await log.offsets_at("no-such-topic", between) == {}


async def test_a_watch_says_why_it_knows_nothing_and_shows_no_old_numbers(
    kafka_servers: str, topic: str
) -> None:
    metrics = Metrics()
    shown = GroupMetrics(metrics)
    good, dead = watch(kafka_servers, topic, "g"), watch("127.0.0.1:1", topic, "g")
    with pytest.raises(KafkaUnavailableError, match="is not listened on"):
        await dead.measure()
    running = asyncio.create_task(good.run(shown, every_seconds=0.01))
    line = f'kafka_consumer_lag_records{{group="g",partition="0",topic="{topic}"}} 0.0'
    await eventually(lambda: line in metrics.render().decode())
    assert good.latest is not None
    assert 'kafka_consumer_group_members{group="g"} 0.0' in metrics.render().decode()
    running.cancel()
    await asyncio.wait([running])
    assert 'group="g"' not in metrics.render().decode(), "nobody measures any more"
    with capture_logs() as logs:
        running = asyncio.create_task(dead.run(shown, every_seconds=0.01))
        await eventually(lambda: any(each["event"] == "kafka_group_not_measured" for each in logs))
        running.cancel()
        await asyncio.wait([running])
    assert 'group="g"' not in metrics.render().decode()


def test_metrics_show_records_seconds_and_the_committed_offset_of_each_partition() -> None:
    metrics = Metrics()
    one = PartitionStanding(TopicPartition("t", 2), 5, 0, 9, 9, 4, 0.0, 0.0)
    none = PartitionStanding(TopicPartition("t", 3), None, 0, 0, 0, 0, None, 0.0)
    GroupMetrics(metrics).show("g", GroupStanding("g", 1.0, (), (one, none), frozenset()))
    text = metrics.render().decode()
    assert 'kafka_consumer_lag_records{group="g",partition="2",topic="t"} 4.0' in text
    assert 'kafka_consumer_committed_offset{group="g",partition="2",topic="t"} 5.0' in text
    assert 'kafka_consumer_committed_offset{group="g",partition="3",topic="t"}' not in text
    assert 'kafka_consumer_lag_seconds{group="g",partition="3",topic="t"} 0.0' in text


def test_groups_of_one_process_do_not_wipe_out_each_others_numbers() -> None:
    """What is not known of one of them is not there; the other's stays."""
    metrics = Metrics()
    shown = GroupMetrics(metrics)
    one = PartitionStanding(TopicPartition("t", 2), 5, 0, 9, 9, 4, 0.0, 0.0)
    for group in ("a", "b"):
        shown.show(group, GroupStanding(group, 1.0, (), (one,), frozenset()))
    shown.show("a", None)
    text = metrics.render().decode()
    assert 'group="a"' not in text
    assert 'kafka_consumer_lag_records{group="b",partition="2",topic="t"} 4.0' in text
    assert 'kafka_consumer_committed_offset{group="b",partition="2",topic="t"} 5.0' in text
