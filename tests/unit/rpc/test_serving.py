"""Order, limits, dead letters and strangers under virtual time: what a server does with what it reads."""

import asyncio

import msgspec
import pytest

from kits.kafka.records import OutgoingRecord, TopicPartition
from kits.rpc.errors import RpcOverloadedError
from kits.rpc.wire import ReplyAddress, request_record
from tests.rpc_services import Article, fake_client, started
from tests.unit.rpc.worlds import PATTERNS, REPLIES, World, virtually
from tests.virtual_time import run_virtually


def test_a_full_map_of_calls_refuses_at_once() -> None:
    async def test(world: World) -> None:
        world.controller.release.clear()
        calls = [asyncio.create_task(world.client.send(PATTERNS.create, Article(str(n)))) for n in range(5)]
        await asyncio.sleep(0.1)
        with pytest.raises(RpcOverloadedError, match="5 calls wait"):
            await world.client.send(PATTERNS.create, Article("too many"))
        world.controller.release.set()
        assert len(await asyncio.gather(*calls)) == 5

    virtually(test, max_waiting=5)


def test_reading_pauses_while_too_much_is_in_flight() -> None:
    """And goes on by itself."""

    async def test(world: World) -> None:
        world.controller.release.clear()
        calls = [
            asyncio.create_task(world.client.send(PATTERNS.create, Article(str(n)))) for n in range(2_000)
        ]
        await asyncio.sleep(1)
        # What one poll brings of three partitions, at most.
        assert 10 <= len(world.controller.created) <= 10 + 3 * 64
        world.controller.release.set()
        assert len(await asyncio.gather(*calls)) == 2_000

    virtually(test, max_waiting=2_000, max_in_flight=10)


def test_requests_of_one_key_are_served_in_order_and_others_beside_them() -> None:
    async def test(world: World) -> None:
        world.controller.release.clear()
        calls = [
            asyncio.create_task(world.client.send(PATTERNS.create, Article(title), key=key))
            for title, key in (("a1", "a"), ("a2", "a"), ("b1", "b"))
        ]
        await asyncio.sleep(0.5)
        assert sorted(world.controller.created) == ["a1", "b1"]
        world.controller.release.set()
        await asyncio.gather(*calls)
        assert [title for title in world.controller.created if title[0] == "a"] == ["a1", "a2"]

    virtually(test)


def test_what_was_not_answered_is_not_committed() -> None:
    """A process that dies in the middle leaves it to the next one."""

    async def run() -> None:
        world = World()
        world.controller.release.clear()
        await world.server.start()
        for title in ("a", "b"):
            record = request_record(
                PATTERNS.create.topic, f'{{"title":"{title}"}}'.encode(), key=b"same",
                address=ReplyAddress(REPLIES, 0, title), deadline_ms=int((world.kafka.now() + 50) * 1000),
                traceparent="",
            )  # fmt: skip
            world.kafka.write(record)
        await asyncio.sleep(3)
        await world.server.stop(within_seconds=1)
        assert world.replies() == []
        world.controller.release.set()
        async with started(world.new_server()):
            await asyncio.sleep(3)
        assert world.replies() == ["a", "b"]
        assert world.controller.created == ["a", "a", "b"]

    run_virtually(run())


@pytest.mark.parametrize(
    "headers",
    [
        {"kafka_replyTopic": "order-events"},
        {"kafka_replyTopic": "unknown.reply"},
        {"kafka_replyPartition": "6"},
        {"kafka_replyPartition": "first"},
    ],
)
def test_a_place_that_is_none_for_replies_is_not_written_to(headers: dict[str, str]) -> None:
    """A stranger chooses where replies go; the request is left out, and the next one is served."""

    async def test(world: World) -> None:
        world.kafka.partitions["order-events"] = 3
        world.ask_as_nest("a", **headers)
        await asyncio.sleep(0.5)
        assert world.controller.created == []
        world.ask_as_nest("b")
        await asyncio.sleep(0.5)
        assert world.replies() == ["b"]

    virtually(test)


def test_an_event_that_never_works_is_a_dead_letter_and_other_keys_go_on() -> None:
    async def test(world: World) -> None:
        for title, key in (("never", "a"), ("after", "a"), ("beside", "b")):
            await world.client.emit(PATTERNS.created, Article(title), key=key)
        await asyncio.sleep(60)
        assert world.controller.heard.count("never") == 4
        assert world.controller.heard[-1] == "after"
        (letter,) = world.kafka.records(f"{PATTERNS.created.topic}.{PATTERNS.group}.dlq")
        headers = dict(letter.headers)
        assert (letter.key, letter.value) == (b"a", b'{"title":"never","words":0}')
        assert (headers["dlq_error_code"], headers["dlq_attempts"]) == (b"RuntimeError", b"4")

    virtually(test)


def test_an_unreadable_event_is_a_dead_letter_at_once() -> None:
    async def test(world: World) -> None:
        world.kafka.write(OutgoingRecord(PATTERNS.created.topic, b"a", b"{", ()))
        world.kafka.write(OutgoingRecord(PATTERNS.created.topic, b"a", None, ()))
        await asyncio.sleep(1)
        letters = world.kafka.records(f"{PATTERNS.created.topic}.{PATTERNS.group}.dlq")
        assert [each.value for each in letters] == [b"{", None]
        assert world.controller.heard == []

    virtually(test)


@pytest.mark.parametrize("value", [b"rubbish", b'{"title":"break"}'])
def test_events_on_a_topic_of_requests_that_fail_stop_nobody(value: bytes) -> None:
    """It has no dead-letter topic: they are logged, and done."""

    async def test(world: World) -> None:
        for _ in range(6):
            world.kafka.write(OutgoingRecord(PATTERNS.create.topic, b"k", value, ()))
        assert await world.client.send(PATTERNS.create, Article("next"), key="k") == Article("NEXT", 1)
        await world.server.stop()
        read = {at: len(log) for at, log in world.kafka.logs.items() if at.topic == PATTERNS.create.topic}
        assert read.items() <= world.kafka.committed.items()

    virtually(test, max_in_flight=3)


def test_a_dead_letter_that_is_too_large_says_where_its_event_lies() -> None:
    """Its own words make it larger than the event was, which Kafka had just taken."""

    async def test(world: World) -> None:
        value, headers = b"[" * 1_000_001, (("ce_id", b"e-1"),)
        world.kafka.write(OutgoingRecord(PATTERNS.created.topic, b"a", value, headers))
        await world.client.emit(PATTERNS.created, Article("next"), key="a")
        await asyncio.sleep(5)
        assert world.controller.heard == ["next"]
        (letter,) = world.kafka.records(f"{PATTERNS.created.topic}.{PATTERNS.group}.dlq")
        said = dict(letter.headers)
        assert (letter.key, letter.value, said["dlq_value"]) == (b"a", None, b"left out")
        assert (said["dlq_topic"], said["dlq_offset"]) == (PATTERNS.created.topic.encode(), b"0")
        assert said["dlq_error_code"] == b"unreadable_event"

    virtually(test)


def with_unreadable_headers(world: World, topic: str, value: bytes) -> None:
    """A record as the client hands it on that cannot read its headers."""
    at = world.kafka.write(OutgoingRecord(topic, b"a", value, ()))
    log = world.kafka.logs[TopicPartition(at.topic, at.partition)]
    log[-1] = msgspec.structs.replace(log[-1], fault="A header is not UTF-8.")


def test_a_request_whose_headers_cannot_be_read_is_not_carried_out() -> None:
    """Without them it would look like an event."""

    async def test(world: World) -> None:
        with_unreadable_headers(world, PATTERNS.create.topic, b'{"title":"evil"}')
        assert await world.client.send(PATTERNS.create, Article("next"), key="a") == Article("NEXT", 1)
        assert world.controller.created == ["next"]

    virtually(test)


def test_no_event_is_lost_for_its_headers() -> None:
    """Those of requests mean nothing on an event; one whose headers cannot be read is a dead letter."""

    async def test(world: World) -> None:
        topic = PATTERNS.created.topic
        for name, value in ("rpc_deadline", b"soon"), ("kafka_replyPartition", b"-1"):
            headers = (("kafka_correlationId", b"c"), ("kafka_replyTopic", b"t.reply"), (name, value))
            world.kafka.write(OutgoingRecord(topic, b"a", b'{"title":"heard"}', headers))
        with_unreadable_headers(world, topic, b'{"title":"unheard"}')
        await asyncio.sleep(5)
        assert world.controller.heard == ["heard"] * 2
        (letter,) = world.kafka.records(f"{topic}.{PATTERNS.group}.dlq")
        assert letter.value == b'{"title":"unheard"}'
        assert dict(letter.headers)["dlq_error_message"] == b"A header is not UTF-8."

    virtually(test)


def test_clients_that_share_a_partition_take_their_own_replies_only() -> None:
    """Eight of them on six partitions; what is another's is neither taken nor counted as late."""

    async def run() -> None:
        world = World()
        clients = [fake_client(world.kafka, PATTERNS, partition=number % 6) for number in range(8)]
        async with started(world.server, *clients):
            calls = [
                each.send(PATTERNS.create, Article(f"{number}-{n}"))
                for n in range(20)
                for number, each in enumerate(clients)
            ]
            titles = [reply.title for reply in await asyncio.gather(*calls)]
            assert titles == [f"{number}-{n}" for n in range(20) for number in range(8)]

    run_virtually(run())


def test_a_service_that_stops_ends_what_is_under_way() -> None:
    async def run() -> None:
        world = World()
        await world.server.start()
        async with started(world.client):
            call = asyncio.create_task(world.client.send(PATTERNS.titles, Article("t", 3)))
            await asyncio.sleep(0)
            await world.server.stop()
            # The same one, started again.
            async with started(world.server):
                assert await call == "t 2"

    run_virtually(run())
