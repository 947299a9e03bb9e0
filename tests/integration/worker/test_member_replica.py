"""The shop's copy of the members' names, on real servers: whatever comes, in whatever order."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from dependency_injector import providers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.member_events import (
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
    MemberUpdatedV1,
    MemberUpdatedV2,
    encode,
    headers_of,
)
from contracts.topics import ITEM_MEMBERS_GROUP
from kits.kafka.errors import KafkaConfigurationError
from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, OutgoingRecord, RecordFault, TopicPartition
from kits.observability.metrics import Cell
from kits.postgres.engine import create_engine
from kits.settings import read_settings
from tests.integration.kafka.clients import producing, soon
from tests.integration.worker.processes import finished
from tests.waiting import eventually, patient
from worker.command_container import MemberCommands
from worker.container import Container
from worker.groups.member_replica import MemberReplica, ReplicaChanges, ReplicaTable
from worker.groups.order_status import OrderStatus
from worker.settings import MemberSettings, WorkerSettings

AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
PARTITION = TopicPartition("members", 0)


def told(member_id: str, version: int, *, event: str = MEMBER_UPDATED_V2) -> OutgoingRecord:
    """An event as the Member API writes it; the topic is the test's own."""
    told = (
        MemberUpdatedV1(member_id=member_id, name=f"Hong Gil-{version}", version=version)
        if event == MEMBER_UPDATED_V1
        else MemberUpdatedV2(
            member_id=member_id, first_name=f"Gil-{version}", last_name="Hong", version=version
        )
    )
    headers = headers_of(event, f"{event}/{version}", member_id, changed_at=AT + timedelta(seconds=version))
    return OutgoingRecord("members", member_id.encode(), encode(told), headers)


def gone(member_id: str) -> OutgoingRecord:
    """What takes a member out of a compacted topic."""
    return OutgoingRecord("members", member_id.encode(), None)


def come(records: Iterable[OutgoingRecord]) -> list[IncomingRecord]:
    """As a reader of one partition gets them."""
    return [
        IncomingRecord("members", 0, offset, 1_000, each.key, each.value, each.headers)
        for offset, each in enumerate(records)
    ]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The shop's database as the worker has it."""
    engine = create_engine(database_url, application_name="test", pool_size=2)
    yield engine
    await engine.dispose()


async def rows(database_url: str) -> dict[str, tuple[str, int]]:
    """Name and version of each member."""
    connection = await asyncpg.connect(database_url)
    try:
        found = await connection.fetch("SELECT member_id, name, version FROM member_replica")
        return {row["member_id"]: (row["name"], row["version"]) for row in found}
    finally:
        await connection.close()


async def run_sql(database_url: str, *statements: str) -> None:
    """By hand."""
    connection = await asyncpg.connect(database_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def test_the_highest_version_wins_in_any_order_and_however_often(database_url: str) -> None:
    """Also in whatever batches they come, from either of the two topics."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=6), max_size=4))
    def check(batches: list[list[tuple[str, int]]]) -> None:
        asyncio.run(written(batches))

    async def written(batches: Sequence[Sequence[tuple[str, int]]]) -> None:
        engine = create_engine(database_url, application_name="test", pool_size=1)
        await run_sql(database_url, "TRUNCATE member_replica")
        for number, batch in enumerate(batches):
            event = (MEMBER_UPDATED_V1, MEMBER_UPDATED_V2)[number % 2]
            changes = ReplicaChanges(event)
            changes.add(come(told(member, version, event=event) for member, version in batch))
            await ReplicaTable(engine).write(changes)
        await engine.dispose()
        newest: dict[str, int] = {}
        for member, version in (one for batch in batches for one in batch):
            newest[member] = max(version, newest.get(member, 0))
        assert await rows(database_url) == {m: (f"Hong Gil-{v}", v) for m, v in newest.items()}

    check()


async def test_a_member_who_is_gone_is_deleted_and_may_come_again(
    engine: AsyncEngine, database_url: str
) -> None:
    """Within a batch the order of the partition counts."""
    left_out = Cell()
    group = MemberReplica(engine, event=MEMBER_UPDATED_V2, left_out=left_out)
    await group.handle({PARTITION: come([told("m-1", 5), told("m-2", 5), told("m-3", 5)])})
    again = [gone("m-1"), told("m-2", 6), gone("m-2"), gone("m-3"), told("m-3", 1), gone("m-9")]
    assert await group.handle({PARTITION: come(again)}) == {PARTITION: 6}
    assert await rows(database_url) == {"m-3": ("Hong Gil-1", 1)}
    assert left_out.value == 0
    assert await group.handle({}) == {}


async def test_what_cannot_be_read_is_left_out_and_counted(engine: AsyncEngine, database_url: str) -> None:
    """The others of its batch are written; nothing of it can stop the group."""
    good = told("m-1", 1)
    strange: list[tuple[bytes | None, bytes | None]] = [
        (b"m-2", good.value),
        (None, good.value),
        (b"m-1", b"{"),
        (b"m-1", b""),
        (b"m-1", b'{"memberId":"m-1","firstName":"A\\u0000","lastName":"B","version":2}'),
        (b"m-1", b'{"memberId":"m-1","firstName":"A","lastName":"B","version":0}'),
        (b"m-1", b'{"memberId":"m-1","name":"A","version":2}'),
        (b"m-1", b'{"memberId":"m-1","firstName":"","lastName":"","version":2}'),
        (b"\xff", None),
        (b"a\x00b", None),
        (b"", None),
        (None, None),
        (b"x" * 65, None),
    ]
    records = come([good, *(OutgoingRecord("members", key, value) for key, value in strange)])
    faulty = IncomingRecord(
        "members",
        0,
        99,
        1_000,
        b"m-1",
        good.value,
        (),
        RecordFault("unreadable_headers", "its headers cannot be read"),
    )
    left_out = Cell()
    group = MemberReplica(engine, event=MEMBER_UPDATED_V2, left_out=left_out)
    assert await group.handle({PARTITION: [*records, faulty]}) == {PARTITION: 100}
    assert await rows(database_url) == {"m-1": ("Hong Gil-1", 1)}
    assert left_out.value == len(strange) + 1


@pytest.mark.parametrize(
    ("ce_time", "timestamp_ms", "as_of"),
    [
        (b"2026-11-21T16:00:00.500+09:00", 0, AT + timedelta(milliseconds=500)),
        (None, 1_000, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (b"yesterday", 2_000, datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)),
        (b"0001-01-01T00:00:00+14:00", 2_000, datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)),
        (None, -1, datetime(1970, 1, 1, tzinfo=UTC)),
        (None, 2**62, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
async def test_a_row_says_since_when_it_is_true(
    engine: AsyncEngine, database_url: str, ce_time: bytes | None, timestamp_ms: int, as_of: datetime
) -> None:
    """By the writer, else by the broker."""
    headers = (("ce_time", ce_time),) if ce_time is not None else ()
    value = told("m-1", 1).value
    record = IncomingRecord("members", 0, 0, timestamp_ms, b"m-1", value, headers)
    group = MemberReplica(engine, event=MEMBER_UPDATED_V2, left_out=Cell())
    await group.handle({PARTITION: [record]})
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT as_of FROM member_replica") == as_of
    await connection.close()


async def test_a_topic_that_was_made_anew_is_read_from_its_start(engine: AsyncEngine) -> None:
    """What was committed means nothing in it; else the group goes on where it was, as `cg-order` does."""
    places = [(0, 9, None), (3, 9, None), (0, 9, 5), (0, 9, 9), (0, 9, 70), (6, 9, 2)]
    for group in MemberReplica(engine, event=MEMBER_UPDATED_V2, left_out=Cell()), OrderStatus(engine):
        starts = []
        for log_start, log_end, committed in places:
            place = Place(uuid4(), log_start=log_start, log_end=log_end, committed=committed)
            starts.append((await group.begin({PARTITION: place}))[PARTITION])
        assert starts == [0, 3, 5, 9, 0, 6]


def environment(database_url: str, kafka_servers: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": kafka_servers}


@asynccontextmanager
async def consuming(
    database_url: str, kafka_servers: str, topic: str, version: int
) -> AsyncIterator[Container]:
    """A worker of the group in this process, which drains at the end."""
    given = environment(database_url, kafka_servers) | {"MEMBER_EVENTS_VERSION": str(version)}
    container = Container(settings=read_settings(WorkerSettings, given), names=[ITEM_MEMBERS_GROUP])
    container.member_topic.override(providers.Object(topic))
    stop = asyncio.Event()
    running = asyncio.create_task(container.groups(ITEM_MEMBERS_GROUP).run(stop))
    try:
        yield container
    finally:
        stop.set()
        await asyncio.wait_for(running, patient(60))
        for pools in container.pools():
            await pools.stop()


async def write(kafka_servers: str, topic: str, *records: OutgoingRecord) -> None:
    """Acknowledged, in their order."""
    async with producing(kafka_servers) as producer:
        for each in records:
            placed = OutgoingRecord(topic, each.key, each.value, each.headers)
            await producer.send(placed, not_after=soon())


async def rebuild(database_url: str, kafka_servers: str, topic: str) -> tuple[int, ...]:
    """Records, left out, deleted, members."""
    container = MemberCommands(
        settings=read_settings(MemberSettings, environment(database_url, kafka_servers))
    )
    container.topic.override(providers.Object(topic))
    try:
        return tuple(await container.rebuild().run())
    finally:
        await container.engine().dispose()


@pytest.mark.parametrize("version", [1, 2])
async def test_the_group_follows_the_topic_of_its_version(
    database_url: str, kafka_servers: str, topic: str, version: int
) -> None:
    """With a rebuild beside it, twice, which restores what is missing and takes away who is not known."""
    event = (MEMBER_UPDATED_V1, MEMBER_UPDATED_V2)[version - 1]
    both = {"m-1": ("Hong Gil-2", 2), "m-2": ("Hong Gil-1", 1)}
    records = [told("m-1", 1, event=event), told("m-1", 2, event=event), told("m-2", 1, event=event)]
    async with consuming(database_url, kafka_servers, topic, version) as container:
        await write(kafka_servers, topic, *records, OutgoingRecord("", b"m-7", b"{"))
        await eventually(lambda: has(database_url, both))
        if version == 2:
            await run_sql(
                database_url,
                "INSERT INTO member_replica VALUES ('m-8', 'Nobody', 7, now(), now() - interval '1 s')",
                "UPDATE member_replica SET version = 1, name = 'Old' WHERE member_id = 'm-1'",
                "DELETE FROM member_replica WHERE member_id = 'm-2'",
            )
            assert await rebuild(database_url, kafka_servers, topic) == (4, 1, 1, 2)
            assert await rebuild(database_url, kafka_servers, topic) == (4, 1, 0, 2)
            assert await rows(database_url) == both
        await write(kafka_servers, topic, told("m-2", 2, event=event), gone("m-1"))
        await eventually(lambda: has(database_url, {"m-2": ("Hong Gil-2", 2)}))
        counted = container.metrics().render().decode()
        assert f'records_left_out_total{{group="{ITEM_MEMBERS_GROUP}"}} 1.0' in counted


async def has(database_url: str, expected: dict[str, tuple[str, int]]) -> bool:
    """Whether the table is so now."""
    return await rows(database_url) == expected


async def knows(database_url: str, member_id: str) -> bool:
    """Whether the table has this member now."""
    return member_id in await rows(database_url)


async def test_a_rebuild_leaves_what_a_worker_writes_meanwhile(
    engine: AsyncEngine, database_url: str
) -> None:
    """An older record, or that a member was gone, does not undo what was written after it began."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    group = MemberReplica(engine, event=MEMBER_UPDATED_V2, left_out=Cell())
    await group.handle({PARTITION: come([told("m-1", 3), told("m-2", 3)])})
    old = ReplicaChanges(MEMBER_UPDATED_V2)
    old.add(come([told("m-1", 1), gone("m-1"), told("m-2", 2), told("m-3", 1)]))
    await ReplicaTable(engine).write(old, at=began)
    newer = ReplicaChanges(MEMBER_UPDATED_V2)
    newer.add(come([gone("m-3")]))
    await ReplicaTable(engine).write(newer, at=began)
    assert await rows(database_url) == {"m-1": ("Hong Gil-3", 3), "m-2": ("Hong Gil-3", 3)}


async def test_a_rebuild_without_its_topic_deletes_nothing(database_url: str, kafka_servers: str) -> None:
    """It says so."""
    await run_sql(database_url, "INSERT INTO member_replica VALUES ('m-1', 'Hong', 1, now())")
    with pytest.raises(KafkaConfigurationError, match="no topic none-such"):
        await rebuild(database_url, kafka_servers, "none-such")
    assert await rows(database_url) == {"m-1": ("Hong", 1)}


async def test_the_command_tells_how_many(database_url: str, kafka_servers: str) -> None:
    """From the topic of the settings' version, here one that a worker has made."""
    async with consuming(database_url, kafka_servers, MEMBER_UPDATED_V2, 2):
        await write(kafka_servers, MEMBER_UPDATED_V2, told("told-1", 1))
        await eventually(lambda: knows(database_url, "told-1"))
    given = environment(database_url, kafka_servers)
    done = await finished("members", "rebuild", **given)
    assert done.code == 0, done.err
    told_so = (
        r"The replica has [1-9]\d* members. Read: [1-9]\d* records, of which \d+ were left out. Deleted: 0"
    )
    assert re.match(told_so, done.out)
