"""A member of a consumer group on a real broker: what is in the topic gets into the inbox, come what may."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from kits.kafka.group_reader import GroupReader
from kits.kafka.records import TopicPartition
from kits.observability.health import Status
from kits.process.background import Supervisor
from tests.integration.kafka.clients import PLAIN, producing, soon
from tests.integration.worker.receiving import Inbox, Worker, inbox_in
from tests.unit.worker.events import Sample, an_order
from tests.waiting import eventually
from worker.group import ConsumerGroup
from worker.handler import PlainValues, RecordValues


class Members:
    """Readers of one group; the topics are there."""

    def __init__(self, servers: str, topic: str) -> None:
        self.servers = servers
        self.topic = topic
        self.group = f"group-{uuid.uuid4().hex[:8]}"

    def new(self, *, in_slot: bool) -> GroupReader:
        """A member without a slot."""
        assert in_slot
        return GroupReader(
            bootstrap_servers=self.servers, security=PLAIN, group=self.group, topics=[self.topic],
            client_id="test-inbox",
        )  # fmt: skip

    async def ensure(self) -> None:
        """Nothing is missing."""

    @asynccontextmanager
    async def running(
        self, worker: Worker, values: RecordValues | None = None
    ) -> AsyncIterator[ConsumerGroup]:
        """A member that reads into the worker's inbox, under its supervisor, until the end of the block."""
        group = ConsumerGroup("data-platform", self, values or PlainValues(), worker.receiver, self)
        tasks, stop = Supervisor(), asyncio.Event()
        ended = asyncio.Event()

        async def run() -> None:
            await group.run(stop)
            ended.set()

        tasks.start("consumer", run)
        try:
            yield group
        finally:
            stop.set()
            async with asyncio.timeout(30):
                await ended.wait()
            await tasks.stop()

    async def write(self, *samples: Sample) -> None:
        """Write events, acknowledged."""
        async with producing(self.servers) as producer:
            sent = [producer.send(sample.outgoing(self.topic), not_after=soon()) for sample in samples]
            await asyncio.gather(*sent)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """An admin client."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    async def make_topic(self, partitions: int) -> None:
        """Make the topic, and wait until it is led."""
        async with self.admin() as client:
            await client.create_topics([NewTopic(self.topic, partitions, 1)])

            async def is_led() -> bool:
                (described,) = await client.describe_topics([self.topic])
                found = described["partitions"]
                return len(found) == partitions and all(each["leader"] >= 0 for each in found)

            await eventually(is_led)

    async def delete_topic(self) -> None:
        """Delete the topic, and wait until it is gone."""
        async with self.admin() as client:
            await client.delete_topics([self.topic])

            async def is_gone() -> bool:
                return self.topic not in await client.list_topics()

            await eventually(is_gone)


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


@pytest.fixture
def members(kafka_servers: str, topic: str) -> Members:
    """A group on a topic of its own."""
    return Members(kafka_servers, topic)


async def arrived(inbox: Inbox, samples: list[Sample]) -> None:
    """Wait until exactly these are in the inbox."""

    async def all_there() -> bool:
        assert {row[0] for row in await inbox.rows("event_id")} == {sample.event_id for sample in samples}
        return True

    await eventually(all_there)


async def test_a_topic_made_anew_while_the_worker_was_stopped_is_read_from_its_start(
    inbox: Inbox, members: Members
) -> None:
    """Six orders were accepted meanwhile, and all six arrive without any command."""
    before = [Sample(f"o-{number}") for number in range(20)]
    await members.write(*before)
    async with members.running(inbox.worker()):
        await arrived(inbox, before)
    await members.delete_topic()
    await members.make_topic(3)
    after = [Sample(f"n-{number}") for number in range(6)]
    await members.write(*after)
    async with members.running(inbox.worker()):
        await arrived(inbox, before + after)


async def set_offsets(members: Members, offset: int) -> None:
    """Join the group while nobody else is in it, and commit these offsets."""
    reader = members.new(in_slot=True)
    await reader.start()
    try:

        async def is_set() -> bool:
            await reader.poll(timeout_ms=100, max_records=1)
            wanted = {TopicPartition(members.topic, number): offset for number in range(3)}
            return len(reader.unplaced) == 3 and await reader.commit(wanted, within_seconds=5.0)

        await eventually(is_set)
    finally:
        await reader.stop(within_seconds=3.0)


@pytest.mark.parametrize("offset", [None, 0, 10**6], ids=["deleted", "to 0", "beyond the end"])
async def test_offsets_that_a_stranger_sets_mean_nothing(
    inbox: Inbox, members: Members, offset: int | None
) -> None:
    """While the worker is stopped: what was read is not read again, what was not is."""
    before = [Sample(f"o-{number}") for number in range(9)]
    await members.write(*before)
    async with members.running(inbox.worker()):
        await arrived(inbox, before)
    if offset is None:
        members.group = f"group-{uuid.uuid4().hex[:8]}"
    else:
        await set_offsets(members, offset)
    after = [Sample(f"n-{number}") for number in range(6)]
    await members.write(*after)
    worker = inbox.worker()
    async with members.running(worker):
        await arrived(inbox, before + after)
    assert worker.repeats == 0


async def test_more_partitions_and_a_second_member_lose_nothing(inbox: Inbox, members: Members) -> None:
    """From three to seven in mid-flow, then another member joins, and one leaves."""
    orders = [an_order(f"o-{number}", 4) for number in range(30)]
    first, second, third, fourth = ([order[seq] for order in orders] for seq in range(4))
    one, other = inbox.worker(), inbox.worker()
    await members.write(*first)
    async with members.running(one) as group:
        await arrived(inbox, first)
        async with members.admin() as admin:
            await admin.create_partitions({members.topic: NewPartitions(7)})
        await members.write(*second)
        # Clients look for new partitions every 30 s, or when they are asked to.
        assert group.reader is not None
        await group.reader._consumer._client.force_metadata_update()
        async with members.running(other) as joining:
            await members.write(*third)
            await eventually(lambda: joining.reader is not None and joining.reader.rebalances)
            await arrived(inbox, first + second + third)
        await members.write(*fourth)
        await arrived(inbox, first + second + third + fourth)
    rows = await inbox.ask("SELECT count(*), count(DISTINCT (order_id, seq)) FROM delivery.inbox_event")
    assert rows == [(120, 120)]


async def test_what_the_database_could_not_store_comes_again(inbox: Inbox, members: Members) -> None:
    """Reading pauses, membership does not; and the check says nothing of a database."""
    samples = [Sample(f"o-{number}") for number in range(5)]
    async with members.running(inbox.worker()) as group:
        await inbox.ask("ALTER TABLE delivery.inbox_event RENAME TO away")
        await members.write(*samples)
        await eventually(lambda: group.reader is not None and group.reader.rebalances)
        check, _values = group.checks()

        async def is_member() -> bool:
            return (await check.check()).status is Status.OK

        await eventually(is_member)
        await inbox.ask("ALTER TABLE delivery.away RENAME TO inbox_event")
        await arrived(inbox, samples)
        assert group.rebuilds == {}
