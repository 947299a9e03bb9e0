"""Call.once: the same request again gets the first reply, and has no second effect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kits.rpc.call import Call
from kits.rpc.errors import RpcError
from kits.rpc.handlers import message_pattern
from tests.rpc_services import Article, fake_server, started
from tests.unit.rpc.worlds import PATTERNS, REPLIES, World
from tests.virtual_time import run_virtually


class Memory:
    """A RequestLedger without a database: what is finished stays."""

    def __init__(self) -> None:
        self.replies: dict[str, bytes | None] = {}
        self.effects: list[str] = []
        self.entries: list[Entry] = []

    async def begin(self, request_id: str) -> "Entry":
        self.entries.append(Entry(self, request_id))
        return self.entries[-1]


class Entry:
    """RequestEntry: its work is a list of effects, which count when it is finished."""

    def __init__(self, memory: Memory, request_id: str) -> None:
        self.memory, self.request_id = memory, request_id
        self.work: list[str] = []
        self.is_answered = request_id in memory.replies
        self.reply = memory.replies.get(request_id)
        self.is_over = False

    async def finish(self, reply: bytes | None) -> None:
        self.memory.replies[self.request_id] = reply
        self.memory.effects += self.work
        self.is_over = True

    async def abandon(self) -> None:
        self.work = []
        self.is_over = True


@asynccontextmanager
async def serving_once(memory: Memory) -> AsyncIterator[World]:
    """A service that does its work once."""
    patterns = PATTERNS

    class OnceController:
        """Counts its effects by the ledger."""

        runs = 0

        @message_pattern(patterns.create)
        async def create(self, article: Article, call: Call) -> Article:
            self.runs += 1
            async with call.once() as work:
                work.append(article.title)
                if article.title == "fails once" and self.runs == 1:
                    raise RpcError(409, "not_yet", "Not yet.")
                return Article(f"{article.title} {self.runs}")

        @message_pattern(patterns.titles)
        async def titles(self, article: Article, call: Call) -> AsyncIterator[str]:
            async with call.once() as work:
                work.append(article.title)
                yield article.title

    world = World()
    server = fake_server(world.kafka, patterns, OnceController(), ledger=memory)
    async with started(server):
        yield world


def test_the_same_request_again_gets_the_first_reply_and_has_no_second_effect() -> None:
    async def run() -> None:
        memory = Memory()
        async with serving_once(memory) as world:
            for _ in range(3):
                world.ask_as_nest("a")
            await asyncio.sleep(1)
            values = [each.value for each in world.kafka.records(REPLIES)]
            assert values == [b'{"title":"a 1","words":0}'] * 3
            assert memory.effects == ["a"]

    run_virtually(run())


def test_a_refused_request_leaves_nothing_behind_and_may_come_again() -> None:
    async def run() -> None:
        memory = Memory()
        async with serving_once(memory) as world:
            for _ in range(2):
                world.ask_as_nest("fails once")
                await asyncio.sleep(1)
            first, second = world.kafka.records(REPLIES)
            assert (first.value, second.value) == (None, b'{"title":"fails once 2","words":0}')
            assert memory.effects == ["fails once"]

    run_virtually(run())


def test_another_request_under_the_same_id_does_not_get_its_reply() -> None:
    """A stranger may choose any correlation id, also one that somebody else has used."""

    async def run() -> None:
        memory = Memory()
        async with serving_once(memory) as world:
            world.ask_as_nest("a")
            world.ask_as_nest("b", kafka_correlationId="a")
            await asyncio.sleep(1)
            assert len({each.value for each in world.kafka.records(REPLIES)}) == 2

    run_virtually(run())


def test_a_stream_of_replies_cannot_be_done_once() -> None:
    """There is no one reply to keep: it is refused before anything is done, not rolled back afterwards."""

    async def run() -> None:
        memory = Memory()
        async with serving_once(memory) as world, started(world.client):
            with pytest.raises(RpcError) as error:
                await world.client.send(PATTERNS.titles, Article("a"))
            assert (error.value.status, error.value.code) == (500, "internal_error")
            assert memory.effects == []

    run_virtually(run())
