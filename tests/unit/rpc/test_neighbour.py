"""A neighbour that does not answer is named, then spared, and asked again by one call at a time."""

import asyncio
import time
from typing import Any

import pytest

from kits.observability.health import Status
from kits.observability.metrics import Metrics
from kits.resilience.breaker_gauge import BreakerGauge
from kits.rpc.deadlines import current_deadline
from kits.rpc.errors import RpcError
from kits.rpc.handlers import message_pattern
from kits.rpc.neighbour import Neighbour, NeighbourAwayError
from kits.rpc.patterns import Pattern
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Patterns, fake_client, fake_server, started, topics_of
from tests.virtual_time import run_virtually

NAMES = Patterns()
COUNT = Pattern("count_words", str, int)
SECONDS = 2.0


class Words:
    """Counts words, or is in trouble."""

    def __init__(self) -> None:
        self.asked = 0
        self.refusal: RpcError | None = None

    @message_pattern(COUNT)
    async def count(self, text: str) -> int:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        return len(text.split())


class World:
    """A caller, its neighbour, and the service, which starts when it is told to."""

    def __init__(self) -> None:
        self.kafka = FakeKafka(topics_of(NAMES))
        self.client = fake_client(self.kafka, NAMES)
        self.words = Words()
        self.server = fake_server(self.kafka, NAMES, self.words)
        self.metrics = Metrics()
        gauge = BreakerGauge(self.metrics)
        self.neighbour = Neighbour("words", self.client, self.kafka, gauge, timeout_seconds=SECONDS)

    async def ask(self) -> int:
        return await self.neighbour.ask(COUNT, "one two")

    async def fails(self) -> tuple[int, str, str, str]:
        with pytest.raises(RpcError) as caught:
            await self.ask()
        error = caught.value
        return error.status, error.code, error.path, error.detail

    async def open(self) -> None:
        """Fail until it is spared."""
        for _ in range(5):
            await self.fails()


def virtually(test: Any) -> None:
    async def run() -> None:
        world = World()
        async with started(world.client):
            await test(world)

    run_virtually(run(), turns_allowed=200_000)


def test_who_does_not_answer_is_named_within_the_deadline_and_then_at_once() -> None:
    """Five calls wait; the next ones do not, and nothing is sent for them."""

    async def test(world: World) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(5):
            began = loop.time()
            away = await world.fails()
            assert away[:3] == (503, "service_unavailable", "words")
            assert "did not answer in time" in away[3]
            assert loop.time() - began == pytest.approx(SECONDS, abs=0.1)
        began, sent = loop.time(), len(world.kafka.records(COUNT.topic))
        for _ in range(100):
            assert "was not asked" in (await world.fails())[3]
        assert loop.time() - began < 0.1
        assert len(world.kafka.records(COUNT.topic)) == sent
        found = await world.neighbour.check()
        assert found.status is Status.DEGRADED
        assert "words" in found.detail
        assert 'circuit_breaker_state{name="words"} 2.0' in world.metrics.render().decode()

    virtually(test)


def test_one_call_finds_out_that_it_is_back() -> None:
    """Of fifty at once one goes; when it is answered all go."""

    async def test(world: World) -> None:
        await world.open()
        async with started(world.server):
            await asyncio.sleep(6.0)
            asked = world.words.asked
            outcomes = await asyncio.gather(*(world.ask() for _ in range(50)), return_exceptions=True)
            assert world.words.asked == asked + 1
            assert [each for each in outcomes if not isinstance(each, NeighbourAwayError)] == [2]
            assert await asyncio.gather(*(world.ask() for _ in range(50))) == [2] * 50
            assert (await world.neighbour.check()).status is Status.OK

    virtually(test)


@pytest.mark.parametrize(
    ("refusal", "is_spared"),
    [
        (RpcError(404, "words_not_found", "not found", "words"), False),
        (RpcError(500, "internal_error", "The service failed."), False),
        (RpcError(503, "storage_busy", "ask again"), False),
        (RpcError(503, "storage_unavailable", "The database cannot be used now."), True),
        (RpcError(503, "service_unavailable", "auth did not answer", "auth"), False),
    ],
)
def test_a_refusal_is_an_answer_unless_the_service_cannot_work_at_all(
    refusal: RpcError, is_spared: bool
) -> None:
    """A neighbour's own neighbour that is away is not its fault: the others of its requests work."""

    async def test(world: World) -> None:
        world.words.refusal = refusal
        async with started(world.server):
            for _ in range(5):
                assert await world.fails() == (refusal.status, refusal.code, refusal.path, refusal.detail)
            world.words.refusal = None
            if is_spared:
                assert (await world.fails())[1] == "service_unavailable"
            else:
                assert await world.ask() == 2

    virtually(test)


def test_a_probe_that_is_given_up_lets_another_one_go() -> None:
    """Its caller went away; nobody knows yet whether the neighbour is back."""

    async def test(world: World) -> None:
        await world.open()
        await asyncio.sleep(6.0)
        probe = asyncio.create_task(world.ask())
        await asyncio.sleep(0.1)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        async with started(world.server):
            await asyncio.sleep(6.0)
            assert await world.ask() == 2

    virtually(test)


def test_a_call_that_had_hardly_any_time_left_says_nothing_of_the_service() -> None:
    """Somebody else was slow before it; the service would have answered."""

    async def test(world: World) -> None:
        current_deadline.set(time.time() + SECONDS / 4)
        await world.open()
        current_deadline.set(None)
        assert (await world.neighbour.check()).status is Status.OK

    virtually(test)


def test_what_can_be_done_without_is_waited_for_less_long() -> None:
    """And counts all the same: its caller chose the bound."""

    async def test(world: World) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(5):
            with pytest.raises(NeighbourAwayError):
                await world.neighbour.ask(COUNT, "one two", timeout=0.5)
        assert loop.time() - began == pytest.approx(2.5, abs=0.2)
        assert "was not asked" in (await world.fails())[3]

    virtually(test)
