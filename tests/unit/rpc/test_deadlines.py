"""Deadlines and outages under virtual time: no second passes, and every step is repeatable."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kits.kafka.records import TopicPartition
from kits.rpc.call import Call
from kits.rpc.errors import RpcTimeoutError, RpcUnavailableError
from kits.rpc.handlers import message_pattern
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Article, Patterns, fake_client, fake_server, started, topics_of
from tests.unit.rpc.worlds import PATTERNS, World, virtually
from tests.virtual_time import run_virtually


def test_a_call_waits_five_seconds_unless_it_says_otherwise() -> None:
    async def run() -> None:
        world = World()
        loop = asyncio.get_running_loop()
        async with started(world.client):
            for timeout, seconds in ((None, 5.0), (0.5, 0.5), (1_000.0, 60.0)):
                began = loop.time()
                with pytest.raises(RpcTimeoutError):
                    await world.client.send(PATTERNS.create, Article("a"), timeout=timeout)
                assert loop.time() - began == pytest.approx(seconds, abs=0.01)

    run_virtually(run())


def test_a_service_that_comes_back_answers_what_is_not_expired() -> None:
    """Down past the deadline: the caller is told so, and the late service does not carry it out."""

    async def run() -> None:
        world = World()
        async with started(world.client):
            waiting = asyncio.create_task(world.client.send(PATTERNS.create, Article("waits"), timeout=20))
            with pytest.raises(RpcTimeoutError):
                await world.client.send(PATTERNS.create, Article("gone"), timeout=2)
            await asyncio.sleep(5)
            async with started(world.server):
                assert await waiting == Article("WAITS", 1)
        assert world.controller.created == ["waits"]

    run_virtually(run())


def test_what_a_handler_asks_for_itself_gets_what_is_left() -> None:
    async def run() -> None:
        outer, inner = Patterns("outer."), PATTERNS
        kafka = FakeKafka(topics_of(outer) | topics_of(inner))
        client = fake_client(kafka, inner)
        seen: list[float] = []

        class Gateway:
            """Asks a service that is down."""

            @message_pattern(outer.create)
            async def create(self, article: Article, call: Call) -> Article:
                try:
                    return await client.send(inner.create, article, timeout=30)
                finally:
                    seen.append(call.remaining_seconds)

        asking = fake_client(kafka, outer)
        async with started(fake_server(kafka, outer, Gateway()), client, asking):
            with pytest.raises(RpcTimeoutError):
                await asking.send(outer.create, Article("a"), timeout=2)
            await asyncio.sleep(1)
        (request,) = kafka.records(inner.create.topic)
        (first,) = kafka.records(outer.create.topic)
        assert dict(request.headers)["rpc_deadline"] == dict(first.headers)["rpc_deadline"]
        assert seen == [pytest.approx(0.0, abs=0.01)]

    run_virtually(run())


@pytest.mark.parametrize(
    ("age", "deadline_in", "is_run"),
    [
        (59, None, True),
        (61, None, False),
        (0, -1, False),
        (59, 10_000, True),
        (61, 10_000, False),
        (0, 1, True),
    ],
)
def test_a_deadline_is_a_minute_at_most_by_the_brokers_time(
    age: int, deadline_in: int | None, is_run: bool
) -> None:
    """A request that says none (NestJS) has a minute; what a stranger chose is capped."""

    async def run() -> None:
        world = World()
        told = (
            {}
            if deadline_in is None
            else {"rpc_deadline": str(int((world.kafka.now() + deadline_in) * 1000))}
        )
        world.ask_as_nest("a", **told)
        world.kafka.clock_offset_seconds += age
        # A group that was there before: a new one would not even begin so far back.
        world.kafka.committed = {TopicPartition(PATTERNS.create.topic, number): 0 for number in range(3)}
        async with started(world.server):
            await asyncio.sleep(0.5)
        assert world.controller.created == (["a"] if is_run else [])
        assert world.replies() == (["a"] if is_run else [])

    run_virtually(run())


def test_a_new_group_begins_with_what_somebody_may_still_wait_for() -> None:
    """Neither with what is long over, nor behind what was sent before its first assignment."""

    async def run() -> None:
        world = World()
        world.ask_as_nest("old")
        world.kafka.clock_offset_seconds += 3_600
        world.ask_as_nest("new")
        async with started(world.server):
            await asyncio.sleep(0.5)
        assert world.controller.created == ["new"]

    run_virtually(run())


def test_while_kafka_is_away_a_call_waits_until_its_deadline() -> None:
    async def test(world: World) -> None:
        await world.client.send(PATTERNS.create, Article("before"))
        world.kafka.is_up.clear()
        call = asyncio.create_task(world.client.send(PATTERNS.create, Article("waits"), timeout=20))
        with pytest.raises(RpcUnavailableError, match="Kafka took nothing within 3 s"):
            await world.client.send(PATTERNS.create, Article("gone"), timeout=3)
        with pytest.raises(RpcUnavailableError):
            await world.client.emit(PATTERNS.created, Article("gone"), key="k", timeout=3)
        world.kafka.is_up.set()
        assert await call == Article("WAITS", 1)

    virtually(test)


def test_a_call_to_a_topic_that_is_not_there_ends_at_once() -> None:
    async def test(world: World) -> None:
        with pytest.raises(RpcUnavailableError, match="there is no topic elsewhere"):
            await world.client.ask("elsewhere", b"{}")

    virtually(test)


def test_a_handler_that_takes_longer_than_its_caller_waits_is_cut_off() -> None:
    async def test(world: World) -> None:
        world.controller.release.clear()
        with pytest.raises(RpcTimeoutError):
            await world.client.send(PATTERNS.create, Article("slow"), key="a", timeout=1)
        world.controller.release.set()
        # The next of its key is served, so it is over.
        assert await world.client.send(PATTERNS.create, Article("next"), key="a") == Article("NEXT", 1)

    virtually(test)


def test_a_stream_whose_caller_is_gone_ends() -> None:
    ended: list[int] = []

    async def run() -> None:
        kafka = FakeKafka(topics_of(PATTERNS))

        class Endless:
            """Never stops by itself."""

            @message_pattern(PATTERNS.titles)
            async def titles(self, article: Article) -> AsyncIterator[str]:
                try:
                    while True:
                        await asyncio.sleep(0.1)
                        yield "again"
                finally:
                    ended.append(1)

        client = fake_client(kafka, PATTERNS)
        async with started(fake_server(kafka, PATTERNS, Endless()), client):
            stream = client.stream(PATTERNS.titles, Article("a"), timeout=2)
            assert await anext(stream) == "again"
            await stream.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(3)
            assert ended == [1]

    run_virtually(run())
