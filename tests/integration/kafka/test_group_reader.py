"""The group reader: read from where it is placed, and each partition's trouble is its own."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from devservices.kafka_config import DATA
from devservices.stack import Stack
from kits.kafka.admin import TopicSpec
from kits.kafka.errors import (
    KafkaConfigurationError,
    KafkaUnavailableError,
    OffsetOutOfRangeError,
    RecordsUnreadableError,
)
from kits.kafka.records import IncomingRecord, TopicPartition
from tests.integration.kafka.clients import new_group, producing, record, soon, topic_admin
from tests.integration.kafka.raw_batches import (
    CRC_AT,
    LENGTH_AT,
    OFFSET_AT,
    RECORDS_AT,
    Batch,
    Damage,
    RawName,
    bit,
    damage_batch,
    flip,
    longer,
    send_batches,
    unknown_codec,
    with_right_crc,
)
from tests.integration.kafka.reading import assigned, place_all, read_until, reading
from tests.waiting import eventually, patient


async def fill(servers: str, topic: str, count: int = 30) -> None:
    async with producing(servers) as producer:
        sends = [producer.send(record(topic, f"key-{n % 10}", n), not_after=soon()) for n in range(count)]
        await asyncio.gather(*sends)


def numbers(records: list[IncomingRecord]) -> list[int]:
    return sorted(int(each.value or b"") for each in records)


async def test_a_partition_hands_out_nothing_before_it_is_placed_whatever_the_group_has_committed(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    group = new_group()
    async with reading(kafka_servers, topic, group) as reader:
        await assigned(reader)
        places = await reader.places(reader.unplaced)
        assert {(each.log_start, each.committed) for each in places.values()} == {(0, None)}
        assert sum(each.log_end for each in places.values()) == 30
        found = await read_until(lambda found: len(found) == 30, reader)
        assert numbers(found) == list(range(30))
        ends = {at: place.log_end for at, place in places.items()}
        assert await reader.commit(ends, within_seconds=patient(30))
        foreign = {TopicPartition(topic, 99): 1}
        assert not await reader.commit(ends | foreign, within_seconds=patient(30))
    async with reading(kafka_servers, topic, group) as reader:
        await assigned(reader)
        assert {at: p.committed for at, p in (await reader.places(ends)).items()} == ends
        for at, end in ends.items():
            reader.place(at, end - 1)
        assert len(await read_until(lambda found: len(found) >= 3, reader)) == 3


async def test_two_readers_share_a_topic_and_each_begins_unplaced_after_every_rebalance(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    group = new_group()
    async with reading(kafka_servers, topic, group) as one:
        await read_until(lambda found: len(found) == 30, one)
        async with reading(kafka_servers, topic, group) as two:
            await eventually(lambda: one.rebalances == 2)
            one._reading._look_at = 0.0
            assert await one.poll(timeout_ms=0, max_records=10) == {}

            async def shared() -> bool:
                for reader in (one, two):
                    await reader.poll(timeout_ms=50, max_records=10)
                return len(one.unplaced) + len(two.unplaced) == 3 and bool(one.unplaced and two.unplaced)

            await eventually(shared)
            assert not one.unplaced & two.unplaced
            one.place(next(iter(two.unplaced)), 0)
            assert len(await read_until(lambda found: len(found) >= 30, one, two)) == 30
        await assigned(one)


async def test_a_pause_holds_everything_back_and_a_cancelled_poll_loses_nothing(
    kafka_servers: str, topic: str
) -> None:
    async with reading(kafka_servers, topic, new_group()) as reader:
        await assigned(reader)
        await place_all(reader)
        reader.pause()
        await fill(kafka_servers, topic)
        assert all([await reader.poll(timeout_ms=100, max_records=100) == {} for _ in range(3)])
        reader.resume()
        waiting = [asyncio.create_task(reader.poll(timeout_ms=10_000, max_records=7))]
        found = [each for records in (await waiting[0]).values() for each in records]
        for _ in range(20):
            poll = asyncio.create_task(reader.poll(timeout_ms=10_000, max_records=7))
            await asyncio.sleep(0)
            if poll.cancel():
                await asyncio.wait([poll])
            else:
                found += [each for records in poll.result().values() for each in records]
        found += await read_until(lambda more: len(found) + len(more) >= 30, reader)
    assert numbers(found) == list(range(30))


async def test_a_record_whose_header_name_is_not_utf_8_comes_with_its_fault_and_its_partition_goes_on(
    kafka_servers: str, topic: str
) -> None:
    at = TopicPartition(topic, 1)
    plain = (b"key", b"0", [("ce_id", b"1")])
    odd = (b"odd", b"1", [("ce_id", b"2"), (RawName(b"caf\xe9"), b"x")])
    other = (None, None, [(RawName(b"\xff"), b"")])
    assert await send_batches(kafka_servers, at, [plain, odd, (b"key", b"2", [])], [other]) == [0, 3]
    await fill(kafka_servers, topic)
    async with reading(kafka_servers, topic, new_group()) as reader:
        found = await read_until(lambda found: len(found) == 34, reader)
        assert not reader.stopped
    first = [each for each in found if each.partition == 1][:4]
    assert [each.offset for each in first] == [0, 1, 2, 3]
    assert [(each.key, each.value) for each in first] == [
        (b"key", b"0"),
        (b"odd", b"1"),
        (b"key", b"2"),
        (None, None),
    ]
    assert [each.headers for each in first] == [(("ce_id", b"1"),), (), (), ()]
    assert [bool(each.fault) for each in first] == [False, True, False, True]
    assert "utf-8" in str(first[1].fault)
    assert first[1].timestamp_ms > 1_700_000_000_000


DAMAGES: tuple[Damage, ...] = (
    flip(RECORDS_AT + 5),
    flip(CRC_AT),
    flip(LENGTH_AT),
    flip(LENGTH_AT + 3),
    longer,
    flip(OFFSET_AT),
    flip(OFFSET_AT + 7),
    bit(OFFSET_AT + 7),
    with_right_crc(unknown_codec),
    with_right_crc(flip(RECORDS_AT)),
)


async def test_a_damaged_batch_stops_its_partition_in_front_of_it_and_no_other(
    own_servers: Stack,
) -> None:
    await asyncio.to_thread(own_servers.kafka.start, patient(60))
    servers, topic, healthy = own_servers.kafka.bootstrap_servers, f"test-{new_group()}", len(DAMAGES)
    await topic_admin(servers).ensure_topics([TopicSpec(topic, len(DAMAGES) + 1)])
    for partition, damage in enumerate(DAMAGES):
        batches: list[Batch] = [[(b"k", str(number).encode(), [])] for number in range(4)]
        await send_batches(servers, TopicPartition(topic, partition), *batches)
        log = own_servers.instance.directory / "kafka" / DATA / f"{topic}-{partition}" / f"{0:020}.log"
        damage_batch(log, 2, damage)
    async with reading(servers, topic, new_group()) as reader:
        found = await read_until(lambda _: len(reader.stopped) == healthy, reader)
        assert sorted((each.partition, each.offset) for each in found) == [
            (partition, offset) for partition in range(healthy) for offset in (0, 1)
        ]
        errors = {at.partition: error for at, error in reader.stopped.items()}
        for partition in range(healthy):
            error = errors[partition]
            assert isinstance(error, RecordsUnreadableError)
            assert error.offset == 2
            assert f"offset 2 of partition {partition} of {topic}" in str(error)
        await send_batches(servers, TopicPartition(topic, healthy), [(b"k", b"9", [])])
        assert numbers(await read_until(lambda found: found, reader)) == [9]
        assert not reader.unplaced
    await topic_admin(servers).delete_topics([topic])


async def test_what_could_not_be_read_is_read_as_soon_as_it_can(own_servers: Stack, topic: str) -> None:
    """Nothing is skipped: the owner, or time, has it tried again at the same offset."""
    await asyncio.to_thread(own_servers.kafka.start, patient(60))
    at, servers = TopicPartition(topic, 0), own_servers.kafka.bootstrap_servers
    log = own_servers.instance.directory / "kafka" / DATA / f"{topic}-0" / f"{0:020}.log"
    await send_batches(servers, at, [(b"k", b"0", [])])
    damage_batch(log, 0, flip(RECORDS_AT + 5))
    async with reading(servers, topic, new_group()) as reader:
        assert await read_until(lambda _: reader.stopped, reader) == []
        reader.place(at, 0)
        assert not reader.stopped
        await read_until(lambda _: reader.stopped, reader)
        damage_batch(log, 0, flip(RECORDS_AT + 5))
        reader.place(at, 0)
        assert numbers(await read_until(lambda found: found, reader)) == [0]
        # What has to be read alone is not left to the next poll.
        await send_batches(servers, at, [(b"k", b"1", [(RawName(b"\xff"), b"")])])
        ((_, (odd,)),) = (await asyncio.wait_for(reader.poll(900_000, 10), patient(60))).items()
        assert odd.fault
        assert await reader.commit({}, within_seconds=patient(30))
        assert not await reader.commit({TopicPartition(topic, 99): 1}, within_seconds=patient(30))


async def test_an_offset_outside_the_log_stops_its_partition_until_it_is_placed_again(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    broken = TopicPartition(topic, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    await admin.delete_records({ClientPartition(topic, 0): RecordsToDelete(before_offset=2)})
    await admin.close()
    async with reading(kafka_servers, topic, new_group()) as reader:
        await assigned(reader)
        places = await reader.places(reader.unplaced)
        assert places[broken].log_start == 2
        for at in places:
            reader.place(at, 0)
        others = sum(place.log_end for at, place in places.items() if at != broken)
        await read_until(lambda found: len(found) == others and reader.stopped, reader)
        (error,) = reader.stopped.values()
        assert isinstance(error, OffsetOutOfRangeError)
        assert (error.topic_partition, error.offset) == (broken, 0)
        reader.place(broken, places[broken].log_end + 1)
        await read_until(lambda _: reader.stopped, reader)
        reader.place(broken, 2)
        expected = places[broken].log_end - 2
        assert len(await read_until(lambda found: len(found) == expected, reader)) == expected


async def test_a_topic_made_anew_has_another_id_and_a_running_reader_is_placed_anew(
    kafka_servers: str, topic: str
) -> None:
    await fill(kafka_servers, topic)
    admin = topic_admin(kafka_servers)
    async with reading(kafka_servers, topic, new_group()) as reader:
        await read_until(lambda found: len(found) == 30, reader)
        before = await reader.places([TopicPartition(topic, 0)])
        await admin.delete_topics([topic])

        async def made_anew() -> bool:
            await admin.ensure_topics([TopicSpec(topic, 3)])
            await fill(kafka_servers, topic, 60)
            return True

        await eventually(made_anew)
        found = await read_until(lambda found: len({each.value for each in found}) == 60, reader)
        assert len(found) >= 60
        after = await reader.places([TopicPartition(topic, 0)])
    assert before[TopicPartition(topic, 0)].topic_id != after[TopicPartition(topic, 0)].topic_id


async def test_markers_and_aborted_records_are_passed_over(kafka_servers: str, topic: str) -> None:
    writer = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=topic)
    await writer.start()
    try:
        for number in range(6):
            await writer.begin_transaction()
            for _ in range(2):
                await writer.send_and_wait(topic, str(number).encode(), key=b"k", partition=0)
            await (writer.abort_transaction() if number % 2 else writer.commit_transaction())
    finally:
        await writer.stop()
    async with reading(kafka_servers, topic, new_group()) as reader:
        found = await read_until(lambda found: len(found) == 6, reader)
        assert numbers(found) == [0, 0, 2, 2, 4, 4]
        assert [each.offset for each in found] == [0, 1, 6, 7, 12, 13]
        assert not reader.stopped


async def test_a_topic_that_is_not_there_stops_the_start_and_is_left_out_of_the_places(
    kafka_servers: str, topic: str
) -> None:
    with pytest.raises(KafkaConfigurationError, match="no-such-topic"):
        async with reading(kafka_servers, "no-such-topic", new_group()):
            pass
    async with reading(kafka_servers, topic, new_group()) as reader:
        assert await reader.places([TopicPartition("no-such-topic", 0)]) == {}


async def test_a_member_that_did_not_poll_for_too_long_comes_back_when_it_polls_again(
    kafka_servers: str, topic: str
) -> None:
    async with reading(kafka_servers, topic, new_group(), max_poll_seconds=1.0) as reader:
        await assigned(reader)
        await place_all(reader)
        await eventually(lambda: not reader.unplaced and not reader._reading._partitions())
        await assigned(reader)
        await fill(kafka_servers, topic)
        assert len(await read_until(lambda found: len(found) == 30, reader)) == 30


async def test_a_client_that_cannot_go_on_says_so_in_every_poll(kafka_servers: str, topic: str) -> None:
    async def fails() -> None:
        raise client.KafkaError("an answer that the client does not know")

    async with reading(kafka_servers, topic, new_group()) as reader:
        await assigned(reader)
        coordinator = reader._consumer._coordinator
        await eventually(lambda: coordinator._heartbeat_task is not None)
        coordinator._heartbeat_task.cancel()
        coordinator._heartbeat_task = asyncio.create_task(fails())
        with pytest.raises(KafkaUnavailableError, match="build a new reader"):
            await read_until(lambda _: False, reader)
        reader._consumer._fetcher._fetch_task.cancel()
        for _ in range(2):
            with pytest.raises(KafkaUnavailableError):
                await read_until(lambda _: False, reader)
