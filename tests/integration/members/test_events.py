"""The events of members on a real Kafka: both versions, in order, whatever was away or died in between."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from contracts.member_events import (
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
    SCHEMAS,
    event_id,
    read_member_event,
)
from devservices.ports import choose_free
from services.members.container import Container
from tests.commands import run_command
from tests.integration.api.raw import exchange
from tests.integration.members.harness import (
    MemberApi,
    a_put,
    container_of,
    member_api,
    members_process,
    told,
)
from tests.waiting import eventually, patient

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WAITING = "SELECT count(*) FROM member_event WHERE done_at IS NULL"


def new_id() -> str:
    """Of no other test: they share the topics."""
    return f"m-{uuid.uuid4().hex[:12]}"


def versions(records: list[Any]) -> list[int]:
    """What they tell of one member, in order."""
    return [read_member_event(each.topic, each.value, each.headers).version for each in records]


@asynccontextmanager
async def a_way_to(kafka_servers: str, port: int) -> AsyncIterator[None]:
    """Somebody listens on this port and passes everything on to Kafka."""
    host, _, kafka_port = kafka_servers.partition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_kafka, to_kafka = await asyncio.open_connection(host, int(kafka_port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, to_kafka), pump(from_kafka, writer))

    async with await asyncio.start_server(pass_on, "127.0.0.1", port):
        yield


async def test_a_change_is_told_in_both_versions(empty_database_url: str, kafka_servers: str) -> None:
    """Key, headers and bytes as the contract says; the time is that of the change."""
    one = new_id()
    async with member_api(container_of(empty_database_url, kafka_servers)) as members:
        await members.put(one, "길동", "홍", traceparent=TRACE)
        shown = (await members.put(one, "Grace", "Hopper", traceparent=TRACE)).json
        for topic, name in ((MEMBER_UPDATED_V1, "Hopper Grace"), (MEMBER_UPDATED_V2, "Hopper Grace")):
            records = await told(kafka_servers, topic, one, 2)
            last = records[-1]
            state = read_member_event(topic, last.value, last.headers)
            assert (versions(records), state.name) == ([1, 2], name)
            assert state.changed_at == datetime.fromisoformat(shown["updatedAt"])
            assert msgspec.json.decode(last.value, type=SCHEMAS[topic], strict=True).member_id == one
            headers = dict(last.headers)
            assert headers["ce_id"] == event_id(topic, one, 2).encode()
            assert (headers["ce_type"], headers["ce_subject"]) == (topic.encode(), one.encode())
            # The trace goes on: another span of the request's.
            assert headers["traceparent"].split(b"-")[1] == TRACE.split("-")[1].encode()
        await eventually(lambda: none_waits(members))


async def none_waits(members: MemberApi) -> bool:
    """Everything is told, and written down as told."""
    return await members.rows(WAITING) == [(0,)]


async def test_changes_go_on_without_kafka_and_are_told_in_order_when_it_is_there(
    empty_database_url: str, kafka_servers: str
) -> None:
    """Nobody waits for it."""
    one, (port,) = new_id(), choose_free(1)
    async with member_api(container_of(empty_database_url, f"127.0.0.1:{port}")) as members:
        for number in range(1, 6):
            assert (await members.put(one, f"Name {number}", "Hopper")).json["version"] == number
        assert await members.rows(WAITING) == [(10,)]
        async with a_way_to(kafka_servers, port):
            for topic in (MEMBER_UPDATED_V1, MEMBER_UPDATED_V2):
                assert versions(await told(kafka_servers, topic, one, 5)) == [1, 2, 3, 4, 5]
            await eventually(lambda: none_waits(members))


async def test_a_version_that_is_told_no_longer_is_no_gap_when_it_is_told_again(
    empty_database_url: str, kafka_servers: str
) -> None:
    """Retiring version 1 is one setting; taking it back too, and `republish` tells what it has missed."""
    one, other = new_id(), new_id()
    for number, publish_v1 in ((1, True), (2, False), (3, True)):
        container = container_of(empty_database_url, kafka_servers, publish_v1=publish_v1)
        async with member_api(container) as members:
            await members.put(one, f"Name {number}", "Hopper")
            if number == 2:
                await members.put(other, "Ada", "Lovelace")
            await eventually(lambda: none_waits(members))
    assert versions(await told(kafka_servers, MEMBER_UPDATED_V1, one, 2)) == [1, 3]
    assert versions(await told(kafka_servers, MEMBER_UPDATED_V2, one, 3)) == [1, 2, 3]
    async with member_api(container_of(empty_database_url, kafka_servers)) as members:
        assert await members.container.republishing().all() == 4
        await eventually(lambda: none_waits(members))
    assert versions(await told(kafka_servers, MEMBER_UPDATED_V1, other, 1)) == [1]


async def test_republishing_tells_the_newest_of_every_member_once_more(
    empty_database_url: str, kafka_servers: str
) -> None:
    """Under the ids that they had, also of what the outbox has forgotten; it may be repeated."""
    ids = [new_id() for _ in range(3)]
    async with member_api(container_of(empty_database_url, kafka_servers)) as members:
        for one in ids:
            await members.put(one, "Grace", "")
            await members.put(one, "Grace", "Hopper")
        await eventually(lambda: none_waits(members))
        await members.rows("DELETE FROM member_event WHERE member_id = :one", one=ids[0])
        done = await run_command(
            "services.members", "outbox", "republish", "--all", MEMBERS_DATABASE_URL=empty_database_url
        )
        assert (done.code, done.out) == (0, "Events that are sent once more: 6.\n"), done.err
        for topic in SCHEMAS:
            for one in ids:
                records = await told(kafka_servers, topic, one, 3)
                assert versions(records) == [1, 2, 2]
                assert len({dict(each.headers)["ce_id"] for each in records}) == 2
                assert records[1].value == records[2].value


async def recorded(container: Container, *ids: str) -> None:
    """These members are made, and nobody has told it yet."""
    await container.history().migrate(container.engine())
    for one in ids:
        async with container.transactions()() as work:
            member = await work.members.add(one, "길동", "홍")
            assert member is not None
            await work.outbox.add(member, traceparent=TRACE, claimed=False)


async def test_who_reads_the_rows_again_sends_the_same_records(empty_database_url: str) -> None:
    """What a relay reads back is what was recorded."""
    one, container = new_id(), container_of(empty_database_url)
    await recorded(container, one)
    claims = (await container.outbox_store().claim(limit=10, max_bytes=100_000)).claims
    await container.pools().stop()
    records = {claim.item.record().topic: claim.item.record() for claim in claims}  # type: ignore[attr-defined]
    assert records.keys() == SCHEMAS.keys()
    for topic, record in records.items():
        headers = dict(record.headers)
        assert read_member_event(topic, record.value, record.headers).name == "홍 길동"
        assert (record.key, headers["traceparent"].decode()) == (one.encode(), TRACE)
        assert headers["ce_id"] == event_id(topic, one, 1).encode()


async def test_dead_events_are_listed_sent_again_or_given_up(
    empty_database_url: str, kafka_servers: str
) -> None:
    """One that is given up holds nobody: the next change tells everything anew."""
    one, other = new_id(), new_id()
    container = container_of(empty_database_url, kafka_servers)
    await recorded(container, one, other)
    async with member_api(container) as members:
        operations = members.container.operations()

        async def only_version_1_waits(count: int) -> bool:
            return await members.rows(WAITING) == [(count,)]

        died = (
            "UPDATE member_event SET dead_at = clock_timestamp(), done_at = NULL, token = NULL,"
            " last_error = 'record_refused: too strange' WHERE topic = :topic"
        )
        await members.rows(died, topic=MEMBER_UPDATED_V1)
        listed = await run_command("services.members", "outbox", "list", DATABASE_URL=empty_database_url)
        assert sorted(line.split()[1] for line in listed.out.splitlines()) == sorted([one, other])
        assert "too strange" in listed.out
        for each in (one, other):
            await members.put(each, "Grace", "Hopper")
        await eventually(lambda: only_version_1_waits(4))
        assert versions(await told(kafka_servers, MEMBER_UPDATED_V2, one, 2)) == [1, 2]
        (first,) = await operations.dead(subject=one)
        (second,) = await operations.dead(subject=other)
        assert await operations.retry([first.event_id]) == 1
        assert await operations.abandon([second.event_id]) == 1
        assert (await operations.dead(), await operations.retry([first.event_id])) == ([], 0)
        await eventually(lambda: only_version_1_waits(1))
    assert versions(await told(kafka_servers, MEMBER_UPDATED_V1, one, 2))[-2:] == [1, 2]
    assert versions(await told(kafka_servers, MEMBER_UPDATED_V1, other, 1))[-1] == 2


async def test_two_processes_keep_the_order_of_a_member_also_when_one_is_killed_before_it_sends(
    tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """What it had committed is told by the other one, before what comes later."""
    one, many = new_id(), new_id()
    deadly = ("tests.e2e.crashing", "before", "kits.outbox.kafka_sink:KafkaSink.send", "services.members")
    async with (
        member_api(container_of(empty_database_url, kafka_servers)) as members,
        members_process(tmp_path, empty_database_url, kafka_servers, program=deadly) as (dying, dying_port),
        members_process(tmp_path, empty_database_url, kafka_servers) as (_, other_port),
    ):
        body = b'{"firstName":"Grace","lastName":"Hopper"}'
        with suppress(OSError, asyncio.IncompleteReadError):
            await exchange(dying_port, a_put(one, body))
        assert await asyncio.to_thread(dying.wait, patient(60))
        await members.rows("UPDATE member_event SET lease_until = clock_timestamp() - interval '1 s'")
        shown = await members.get(f"/users/{one}")
        assert (shown.status, shown.json["version"]) == (200, 1)
        for number in range(2, 10):
            names = msgspec.json.encode({"firstName": f"Name {number}", "lastName": ""})
            for member_id in (one, many):
                reply = await exchange((members.port, other_port)[number % 2], a_put(member_id, names))
                assert reply.status in {200, 201}
        for topic in SCHEMAS:
            assert versions(await told(kafka_servers, topic, many, 8)) == list(range(1, 9))
            assert versions(await told(kafka_servers, topic, one, 9)) == list(range(1, 10))
