"""What others do to the topic, the group's offsets and the inbox's database while a worker stands or runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.protocol.admin import DeleteGroupsRequest

from kits.kafka.records import TopicPartition
from tests.integration.kafka.raw_batches import Batch, send_batches
from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import Sample, an_order
from tests.waiting import eventually
from worker.container import Container

GARBAGE: Batch = [(None, b"garbage", [])]


@asynccontextmanager
async def administering(pipeline: Pipeline) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_topic(pipeline: Pipeline, name: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with administering(pipeline) as admin:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(is_gone)


async def make_topic(pipeline: Pipeline, name: str, partitions: int) -> None:
    """Make a topic, and wait until it is led."""
    async with administering(pipeline) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1)])

        async def is_led() -> bool:
            ((found,),) = [[each["partitions"]] for each in await admin.describe_topics([name])]
            return len(found) == partitions and all(each["leader"] >= 0 for each in found)

        await eventually(is_led)


async def set_offsets(pipeline: Pipeline, partitions: int, offset: int | None) -> None:
    """As a stranger does to a group without members; None: delete them."""
    if offset is None:
        async with administering(pipeline) as admin:
            coordinator = await admin.find_coordinator(pipeline.group)
            answer = await admin._send_request_to_node(coordinator, DeleteGroupsRequest([pipeline.group]))
            assert answer.results == [(pipeline.group, 0)]
        return
    stranger = AIOKafkaConsumer(
        bootstrap_servers=pipeline.kafka, group_id=pipeline.group, enable_auto_commit=False
    )
    await stranger.start()
    try:
        places = [ClientPartition(pipeline.topic, number) for number in range(partitions)]
        stranger.assign(places)
        await stranger.commit(dict.fromkeys(places, offset))
    finally:
        await stranger.stop()


async def intrude(pipeline: Pipeline, offset: int) -> None:
    """A stranger's program has the group's name: it takes partitions, commits these offsets, and leaves."""
    stranger = AIOKafkaConsumer(
        pipeline.topic, bootstrap_servers=pipeline.kafka, group_id=pipeline.group, enable_auto_commit=False
    )
    await stranger.start()
    try:
        await eventually(stranger.assignment)
        await stranger.commit(dict.fromkeys(stranger.assignment(), offset))
    finally:
        await stranger.stop()


async def test_what_happens_to_a_stopped_workers_topic_and_offsets_loses_and_repeats_nothing(
    pipeline: Pipeline,
) -> None:
    """In turn, and without any command in between:

    - the topic is deleted and made anew with fewer partitions, and six orders come: all six arrive;
    - an unreadable record where the old topic had one too is a dead letter of its own;
    - the group's offsets are deleted, set to 0, and set beyond the end.
    """
    place = TopicPartition(pipeline.topic, 0)
    await send_batches(pipeline.kafka, place, GARBAGE)
    await pipeline.write(event for number in range(20) for event in an_order(f"o-{number}", 1))
    async with pipeline.worker():
        await arrived(pipeline, 20)
        await eventually(pipeline.committed_everything)
    await delete_topic(pipeline, pipeline.topic)
    await make_topic(pipeline, pipeline.topic, 1)
    await send_batches(pipeline.kafka, place, GARBAGE)
    await pipeline.write(Sample(f"n-{number}") for number in range(6))
    async with pipeline.worker():
        await arrived(pipeline, 26)
        query = "SELECT count(DISTINCT event_id), count(DISTINCT topic_id) FROM delivery.inbox_event"
        dead = await pipeline.rows(f'{query} WHERE dead_at IS NOT NULL AND partition = 0 AND "offset" = 0')
        assert dead == [(2, 2)]
    for number, offset in enumerate((None, 0, 10**6), start=1):
        await set_offsets(pipeline, 1, offset)
        await pipeline.write(Sample(f"n-{of}", number + 1) for of in range(6))
        async with pipeline.worker():
            await arrived(pipeline, 26 + 6 * number)
    summary = await pipeline.platform.received()
    assert (summary["duplicates"], summary["orderViolations"]) == (0, 0)
    assert await pipeline.platform.seqs("n-5") == [1, 2, 3, 4]


async def look_for_partitions(container: Container) -> None:
    """Clients look for new ones every 30 s, or when they are asked to."""
    reader = container.data_platform_group()._reading._member.reader
    assert reader is not None
    await reader._consumer._client.force_metadata_update()


async def test_what_happens_to_a_running_workers_topic_offsets_and_database_loses_nothing(
    pipeline: Pipeline,
) -> None:
    """In turn, in mid-flow and without any command, the inbox in a database of its own:

    - a stranger joins the group, commits 0 or what is beyond the end, and leaves;
    - the topic grows from three partitions to seven;
    - the topic is deleted and made anew with fewer;
    - the inbox is restored to an earlier point: what has come since comes again, by its id only.
    """
    elsewhere = {"WORKER_DATABASE_URL": pipeline.database, "DATABASE_URL": "postgresql://no.shop/here"}
    seq = 0

    async def next_events() -> None:
        nonlocal seq
        seq += 1
        await pipeline.write(Sample(f"o-{number}", seq) for number in range(20))

    async with pipeline.worker(**elsewhere) as container:
        await next_events()
        await arrived(pipeline, 20)
        for offset in (0, 10**6):
            await intrude(pipeline, offset)
            await next_events()
            await arrived(pipeline, 20 * seq)
        async with administering(pipeline) as admin:
            await admin.create_partitions({pipeline.topic: NewPartitions(7)})
        await look_for_partitions(container)
        await next_events()
        await arrived(pipeline, 20 * seq)
        await delete_topic(pipeline, pipeline.topic)
        await make_topic(pipeline, pipeline.topic, 2)
        await next_events()
        await arrived(pipeline, 20 * seq)
        assert (await pipeline.platform.received())["duplicates"] == 0
        # What is on its way at the backup would be sent once more.
        await pipeline.all_delivered(20 * seq)
        restored = await backed_up(pipeline)
        await next_events()
        await arrived(pipeline, 20 * seq)
        # A result that waits to be written would be written of the rows that come again.
        await pipeline.all_delivered(20 * seq)
        await restore(pipeline, restored)
        await next_events()
        await arrived(pipeline, 20 * seq)
        await pipeline.all_delivered(20 * seq)
    summary = await pipeline.platform.received()
    assert (summary["duplicates"], summary["orderViolations"]) == (20, 0)
    assert await pipeline.platform.seqs("o-7") == list(range(1, seq + 1))


async def backed_up(pipeline: Pipeline) -> str:
    """Copy the inbox's database as it is now; the copy's name."""
    name = urlsplit(pipeline.database).path.removeprefix("/")
    async with pipeline.closed_database():
        await administer(pipeline, f'CREATE DATABASE "{name}_then" TEMPLATE "{name}_away"')
    return f"{name}_then"


async def restore(pipeline: Pipeline, backup: str) -> None:
    """Put the copy in the place of what there is."""
    name = urlsplit(pipeline.database).path.removeprefix("/")
    async with pipeline.closed_database():
        await administer(pipeline, f'DROP DATABASE "{name}_away"')
        await administer(pipeline, f'ALTER DATABASE "{backup}" RENAME TO "{name}_away"')


async def administer(pipeline: Pipeline, statement: str) -> None:
    """One statement beside the inbox's database."""
    connection = await asyncpg.connect(urlsplit(pipeline.database)._replace(path="/postgres").geturl())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
