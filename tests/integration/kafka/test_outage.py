"""A broker that is killed, away or comes back: nothing lost, nothing repeated, nothing waits for ever."""

import asyncio
import signal
import time
import uuid
from collections.abc import Iterator

import pytest

from devservices.kafka import KafkaServer
from kits.kafka.admin import TopicSpec
from kits.kafka.errors import KafkaUnavailableError, SendNotDoneError
from kits.kafka.group_reader import GroupReader
from kits.kafka.producer import RecordProducer
from kits.kafka.records import Acknowledgement, Deadline
from tests.integration.kafka.clients import (
    by_key,
    new_group,
    own_kafka,
    producing,
    record,
    repeats,
    soon,
    topic_admin,
    whole_log,
)
from tests.integration.kafka.reading import assigned, place_all, read_until, reading
from tests.waiting import eventually, patient


@pytest.fixture(scope="module")
def own_broker() -> Iterator[KafkaServer]:
    """A broker that only the tests of this file use, since they kill it."""
    with own_kafka("kafka-outage") as broker:
        yield broker


@pytest.fixture
async def broker(own_broker: KafkaServer) -> KafkaServer:
    """That broker, up."""
    await asyncio.to_thread(own_broker.start, patient(60))
    return own_broker


@pytest.fixture
async def topic(broker: KafkaServer) -> str:
    """A topic of this test alone on that broker."""
    name = f"outage-{uuid.uuid4().hex[:8]}"
    await topic_admin(broker.bootstrap_servers).ensure_topics([TopicSpec(name, 3)])
    return name


async def kill(broker: KafkaServer) -> None:
    await asyncio.to_thread(broker.kill)


async def start(broker: KafkaServer) -> None:
    await asyncio.to_thread(broker.start, patient(60))


async def freeze(broker: KafkaServer, seconds: float) -> None:
    """Stop the broker's process in the middle of its work, and let it go on."""
    process = broker.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        process.send_signal(signal.SIGCONT)


class Traffic:
    """Records that flow through a producer and a consumer until they are told to stop."""

    def __init__(self, topic: str, producer: RecordProducer, reader: GroupReader) -> None:
        self._topic, self._producer, self._reader = topic, producer, reader
        self.sends: list[asyncio.Future[Acknowledgement]] = []
        self.read: list[tuple[str, int]] = []
        self.running = True

    async def write(self) -> None:
        while self.running:
            for _ in range(50 if self._producer.pending < 5_000 else 0):
                number = len(self.sends)
                sent = record(self._topic, f"key-{number % 12}", number)
                self.sends.append(self._producer.send(sent, not_after=soon()))
            await asyncio.sleep(0.02)

    async def flows(self) -> None:
        """Wait until both sides get on again."""
        read, sent = len(self.read), len(self.sends)

        def both_get_on() -> bool:
            sends = len(self.sends) > sent and self.sends[sent].done()
            return sends and len(self.read) > read

        await eventually(both_get_on)

    async def consume(self) -> None:
        while self.running or len(self.read) < len(self.sends):
            await place_all(self._reader)
            for at, records in (await self._reader.poll(timeout_ms=100, max_records=500)).items():
                self.read += [((each.key or b"").decode(), int(each.value or b"")) for each in records]
                # Unknown in an outage; a later, higher commit repairs it.
                await self._reader.commit({at: records[-1].offset + 1}, within_seconds=0.5)


async def test_a_broker_killed_and_frozen_again_and_again_under_load_costs_no_record_and_repeats_none(
    broker: KafkaServer, topic: str
) -> None:
    servers = broker.bootstrap_servers
    async with (
        producing(servers, stalled_after_seconds=0.5) as producer,
        reading(servers, topic, new_group()) as reader,
    ):
        traffic = Traffic(topic, producer, reader)
        writing = asyncio.create_task(traffic.write())
        consuming = asyncio.create_task(traffic.consume())
        await eventually(lambda: traffic.read)
        for fault in ("kill", "freeze", "kill", "kill"):
            if fault == "freeze":
                await freeze(broker, 2.5)
            else:
                await kill(broker)
                await eventually(lambda: producer.oldest_pending_seconds > 1)
                assert not await producer.broker_answers(within_seconds=0.2)
                await start(broker)
            await traffic.flows()
        traffic.running = False
        await writing
        await asyncio.gather(*traffic.sends)
        await asyncio.wait_for(consuming, patient(60))
        assert reader.rebalances == 1, "the group heard nothing of it"
        assert not reader.stopped
    log = await whole_log(servers, topic)
    for found in (log, traffic.read):
        assert sorted(number for _, number in found) == list(range(len(traffic.sends)))
        assert all(numbers == sorted(numbers) for numbers in by_key(found).values())
    assert not repeats(log)


async def test_records_taken_before_a_broker_was_ever_there_arrive_in_order_when_it_comes(
    broker: KafkaServer, topic: str
) -> None:
    servers = broker.bootstrap_servers
    await kill(broker)
    async with producing(servers) as producer:
        kept = [producer.send(record(topic, f"key-{n % 3}", n), not_after=soon()) for n in range(30)]
        renewed = Deadline(time.monotonic())
        # Its owner renews this one before it is looked at; the other two pass their deadline in the outage.
        late = producer.send(record(topic, "late", 100), not_after=time.monotonic() + 0.3)
        follower = producer.send(record(topic, "late", 101), not_after=soon())
        renewed.not_after = soon()
        lively = producer.send(record(topic, "lively", 102), not_after=renewed)
        for lost in (late, follower):
            with pytest.raises(SendNotDoneError):
                await asyncio.wait_for(lost, patient(60))
        assert producer.pending == 31
        await start(broker)
        await asyncio.gather(*kept, lively)
    log = await whole_log(servers, topic)
    assert sorted(number for _, number in log) == [*range(30), 102]
    assert all(found == sorted(found) for found in by_key(log).values())


async def test_a_producer_stopped_in_an_outage_ends_in_time_and_delivers_nothing_later(
    broker: KafkaServer, topic: str
) -> None:
    servers = broker.bootstrap_servers
    async with producing(servers) as producer:
        await producer.send(record(topic, "before", 0), not_after=soon())
        await kill(broker)
        sends = [producer.send(record(topic, f"key-{n}", n), not_after=soon()) for n in range(20)]
        await asyncio.sleep(0.3)
        await asyncio.wait_for(producer.stop(within_seconds=0.5), patient(30))
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert all(isinstance(outcome, SendNotDoneError) for outcome in outcomes)
    assert [task.get_name() for task in asyncio.all_tasks() if "kafka" in task.get_name()] == []
    await start(broker)
    async with producing(servers) as successor:
        await successor.send(record(topic, "after", 0), not_after=soon())
    assert {key for key, _ in await whole_log(servers, topic)} == {"before", "after"}


async def test_a_reader_waits_an_outage_out_without_a_rebalance(broker: KafkaServer, topic: str) -> None:
    servers = broker.bootstrap_servers
    async with producing(servers) as producer, reading(servers, topic, new_group()) as reader:
        await producer.send(record(topic, "key", 1), not_after=soon())
        (first,) = await read_until(lambda found: found, reader)
        await kill(broker)
        # Long enough to look why nothing comes: an outage is no partition's trouble.
        assert all([await reader.poll(timeout_ms=500, max_records=10) == {} for _ in range(7)])
        assert not reader.stopped
        assert not await reader.commit({first.topic_partition: 1}, within_seconds=0.5)
        with pytest.raises(KafkaUnavailableError):
            await reader.places([first.topic_partition], within_seconds=0.3)
        second = producer.send(record(topic, "key", 2), not_after=soon())
        await start(broker)
        await second
        (found,) = await read_until(lambda found: found, reader)
        assert found.value == b"2"
        assert await reader.commit({found.topic_partition: found.offset + 1}, within_seconds=patient(60))
        assert (await reader.places([found.topic_partition]))[found.topic_partition].committed == 2
        assert reader.rebalances == 1


async def test_a_reader_stopped_in_an_outage_ends_in_time_and_leaves_nothing_running(
    broker: KafkaServer, topic: str
) -> None:
    before = asyncio.all_tasks()
    async with reading(broker.bootstrap_servers, topic, new_group()) as reader:
        await assigned(reader)
        await kill(broker)
        assert await reader.poll(timeout_ms=100, max_records=10) == {}
        await asyncio.wait_for(reader.stop(within_seconds=2.0), patient(30))
        with pytest.raises(KafkaUnavailableError):
            await reader.poll(timeout_ms=10, max_records=10)
    await eventually(lambda: asyncio.all_tasks() <= before)


async def test_a_reader_started_in_an_outage_says_so_at_once_and_names_the_causes(
    broker: KafkaServer, topic: str
) -> None:
    await kill(broker)
    with pytest.raises(KafkaUnavailableError, match="wrong credentials"):
        async with reading(broker.bootstrap_servers, topic, new_group()):
            pass


async def test_a_broker_that_sends_its_clients_elsewhere_is_told_with_both_addresses(
    own_broker: KafkaServer, broker: KafkaServer
) -> None:
    """What `advertised.listeners` names is where a client goes, whatever it was told to begin with."""
    await kill(broker)
    elsewhere = KafkaServer(own_broker.log_path.parent, session_timeout_ms=1_000, advertised_port=1)
    await start(elsewhere)
    servers = elsewhere.bootstrap_servers
    told = f"{servers} sends its clients to 127.0.0.1:1, which cannot be reached: .*advertised.listeners"
    try:
        with pytest.raises(KafkaUnavailableError, match=told):
            await topic_admin(servers).topic_limit("any")
        with pytest.raises(KafkaUnavailableError, match=told):
            async with reading(servers, "any", new_group()):
                pass
    finally:
        await kill(elsewhere)
