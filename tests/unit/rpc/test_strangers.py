"""What strangers write costs neither memory nor log lines without end, and holds nobody else up."""

import asyncio

import pytest
from structlog.testing import capture_logs

from kits.kafka.records import OutgoingRecord, TopicPartition
from kits.rpc.answers import ReplyPlaces
from kits.rpc.errors import RpcError, RpcOverloadedError, RpcUnavailableError
from kits.rpc.health import RpcServerCheck
from kits.rpc.wire import ReplyAddress, UnreadableRequestError, read_reply
from tests.rpc_services import Article, started
from tests.unit.rpc.test_wire import with_headers
from tests.unit.rpc.worlds import PATTERNS, World, virtually
from tests.virtual_time import run_virtually


@pytest.mark.parametrize(
    "headers",
    [
        {"kafka_replyTopic": "unknown.reply"},
        {"kafka_replyTopic": "no topic at all.reply"},
        {"kafka_correlationId": "c" * 100_000},
        {"kafka_replyPartition": "first"},
        {"rpc_deadline": "1"},
        {"kafka_replyTopic": ""},
    ],
)
def test_a_flood_of_one_kind_has_one_line_in_the_log(headers: dict[str, str]) -> None:
    async def test(world: World) -> None:
        with capture_logs() as lines:
            for number in range(300):
                world.ask_as_nest(f"break {number}" if "rpc_deadline" in headers else "break", **headers)
            await asyncio.sleep(2)
        assert len([line for line in lines if line["log_level"] != "debug"]) < 10
        assert world.replies() == []

    virtually(test)


class Directory:
    """Counts what is looked up, and how much of it at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = self.most = 0

    async def partition_count(self, topic: str) -> int:
        self.asked.append(topic)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.05)
        self.now -= 1
        return 6 if topic == "good.reply" else 0


def test_made_up_reply_topics_are_asked_for_a_few_at_a_time_and_push_nobody_out() -> None:
    async def run() -> None:
        directory = Directory()
        places = ReplyPlaces(directory)
        good = ReplyAddress("good.reply", 1, "c")
        await asyncio.gather(*(places.check(good) for _ in range(100)))
        made_up = [ReplyAddress(f"{number}.reply", 1, "c") for number in range(1_500)]
        results = await asyncio.gather(*map(places.check, made_up), return_exceptions=True)
        assert all(isinstance(each, UnreadableRequestError) for each in results)
        await places.check(good)
        assert directory.asked.count("good.reply") <= 4
        assert directory.most <= 4

    run_virtually(run())


def test_a_reply_topic_that_is_made_later_is_found() -> None:
    async def test(world: World) -> None:
        world.ask_as_nest("early", kafka_replyTopic="late.reply")
        await asyncio.sleep(0.5)
        world.kafka.partitions["late.reply"] = 6
        world.kafka.logs |= {TopicPartition("late.reply", number): [] for number in range(6)}
        await asyncio.sleep(2)
        world.ask_as_nest("in time", kafka_replyTopic="late.reply")
        await asyncio.sleep(0.5)
        assert world.controller.created == ["in time"]

    virtually(test)


def test_a_request_from_the_future_has_a_minute_too() -> None:
    """A stranger sets the time of a record where the topic lets it, and a clock may be wrong."""

    async def test(world: World) -> None:
        world.controller.release.clear()
        world.kafka.clock_offset_seconds += 1_000_000
        world.ask_as_nest("slow")
        world.kafka.clock_offset_seconds -= 1_000_000
        await asyncio.sleep(90)
        world.controller.release.set()
        await asyncio.sleep(1)
        assert world.controller.created == ["slow"]
        assert world.replies() == []

    virtually(test)


def test_a_partition_of_requests_goes_on_behind_damage() -> None:
    """Nobody waits for what stands there by the time that somebody has mended it."""

    async def test(world: World) -> None:
        at = world.kafka.write(OutgoingRecord(PATTERNS.create.topic, b"k", b'{"title":"damaged"}', ()))
        world.kafka.damage[TopicPartition(at.topic, at.partition)] = at.offset
        await asyncio.sleep(3)
        assert await world.client.send(PATTERNS.create, Article("next"), key="k") == Article("NEXT", 1)
        assert (await RpcServerCheck(world.server, world.kafka).check()).detail == ""

    virtually(test)


def test_damage_in_a_topic_of_events_stands_and_is_seen() -> None:
    async def test(world: World) -> None:
        at = world.kafka.write(OutgoingRecord(PATTERNS.created.topic, b"k", b'{"title":"damaged"}', ()))
        world.kafka.damage[TopicPartition(at.topic, at.partition)] = at.offset
        await asyncio.sleep(3)
        assert "Partitions stand" in world.server.trouble
        assert world.controller.heard == []

    virtually(test)


def test_a_text_that_cannot_travel_is_refused_before_it_is_sent() -> None:
    """A gateway may have it from its own caller."""

    async def test(world: World) -> None:
        with pytest.raises(RpcError, match="invalid_text"):
            await world.client.send(PATTERNS.create, Article("\ud800"))
        with pytest.raises(RpcError, match="invalid_text"):
            await world.client.emit(PATTERNS.created, Article("\ud800"), key="k")
        with pytest.raises(RpcError, match="invalid_text"):
            await anext(world.client.stream(PATTERNS.titles, Article("\ud800")))

    virtually(test)


def test_a_refusal_of_any_length_and_status_is_bounded() -> None:
    told = b'{"status":99999,"code":"%s","detail":"%s"}' % (b"c" * 100_000, b"d" * 100_000)
    for each in (told, b"x" * 100_000):
        error = read_reply(with_headers(("kafka_correlationId", b"c"), ("kafka_nest-err", each))).error
        assert error is not None
        assert error.status == 500
        assert len(str(error)) < 10_000


def test_a_stream_that_is_left_open_is_not_kept_after_its_end() -> None:
    async def test(world: World) -> None:
        streams = [
            world.client.stream(PATTERNS.titles, Article("t", words), timeout=1) for words in (3, 3, 3)
        ]
        assert [await anext(each) for each in streams] == ["t 0"] * 3
        await asyncio.sleep(2)
        assert await world.client.send(PATTERNS.create, Article("room")) == Article("ROOM", 1)
        assert [one async for one in streams[0]] == ["t 1", "t 2"]

    virtually(test, max_waiting=3)


def test_of_a_stream_only_the_last_reply_is_kept_for_who_wants_one() -> None:
    async def test(world: World) -> None:
        assert await world.client.send(PATTERNS.titles, Article("t", 12_000), timeout=50) == "t 11999"

    virtually(test)


def test_replies_that_nobody_takes_are_bounded_in_bytes() -> None:
    async def test(world: World) -> None:
        stream = world.client.stream(PATTERNS.titles, Article("t" * 200_000, 500), timeout=50)
        await anext(stream)
        await asyncio.sleep(5)
        with pytest.raises(RpcOverloadedError, match="wait to be taken"):
            assert [one async for one in stream] == []

    virtually(test)


def test_a_client_that_stops_ends_those_who_wait_for_its_start_too() -> None:
    async def run() -> None:
        world = World()
        world.kafka.is_up.clear()
        loop = asyncio.get_running_loop()
        async with started(world.client):
            call = asyncio.create_task(world.client.send(PATTERNS.create, Article("a"), timeout=30))
            await asyncio.sleep(1)
        with pytest.raises(RpcUnavailableError, match="has stopped"):
            await call
        with pytest.raises(RpcUnavailableError, match="has stopped"):
            await world.client.send(PATTERNS.create, Article("a"))
        assert loop.time() < 10

    run_virtually(run())
