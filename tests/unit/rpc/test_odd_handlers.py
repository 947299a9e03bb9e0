"""Handlers that do what nobody expects: their caller is told, and no partition stands because of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import literal, select

from kits.kafka.records import IncomingRecord, OutgoingRecord, RecordFault
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.request_ledger import SqlRequestEntry
from kits.rpc.call import Call
from kits.rpc.errors import RpcError
from kits.rpc.handlers import event_pattern, message_pattern
from kits.rpc.wire import read_reply
from tests.rpc_services import Article, fake_server, started
from tests.unit.rpc.test_once import Entry, Memory
from tests.unit.rpc.worlds import PATTERNS, REPLIES, World
from tests.virtual_time import run_virtually

LETTERS = f"{PATTERNS.created.topic}.{PATTERNS.group}.dlq"


class SilentError(Exception):
    """Has no words."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Unruly:
    """Its requests and events say what it is to do."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.is_released = asyncio.Event()

    @message_pattern(PATTERNS.create)
    async def create(self, article: Article, call: Call) -> Article:
        self.seen.append(article.title)
        await self._behave(article.title, call)
        return article

    @message_pattern(PATTERNS.titles)
    async def titles(self, article: Article) -> AsyncIterator[str]:
        yield "first"
        await self._behave(article.title, None)
        yield "last"

    @event_pattern(PATTERNS.created, retries=1)
    async def index(self, event: Article) -> None:
        self.seen.append(event.title)
        await self._behave(event.title, None)

    async def _behave(self, title: str, call: Call | None) -> None:
        match title:
            case "cancelled":
                waited_for = asyncio.get_running_loop().create_future()
                waited_for.cancel()
                await waited_for
            case "surrogates":
                raise RpcError(404, "article_not_found", "There is no \ud800.")
            case "long":
                raise RpcError(404, "article_not_found", "x" * 3_000_000)
            case "silent":
                raise SilentError
            case "once" if call is not None:
                async with call.once():
                    pass
                raise RuntimeError("after it")
            case "stubborn":
                while not self.is_released.is_set():
                    try:
                        await self.is_released.wait()
                    except asyncio.CancelledError:
                        continue


class Broken:
    """A ledger whose connection is lost: it cannot even roll back."""

    async def begin(self, request_id: str) -> SqlRequestEntry:
        transaction = AsyncExitStack()
        transaction.push_async_callback(self._lost)
        statement = DriverStatement(select(literal(1)))
        return SqlRequestEntry(transaction, DriverConnection(None), statement)

    async def _lost(self) -> None:
        raise ConnectionResetError


def open_records(world: World) -> int:
    """What is not committed of all that its group reads."""
    logs = {at: len(log) for at, log in world.kafka.logs.items() if not at.topic.endswith((".reply", ".dlq"))}
    return sum(logs.values()) - sum(world.kafka.committed.get(at, 0) for at in logs)


@pytest.mark.parametrize("title", ["cancelled", "surrogates", "long", "silent", "once"])
def test_a_request_whose_handler_ends_oddly_is_answered_and_done(title: str) -> None:
    async def run() -> None:
        world = World()
        async with started(fake_server(world.kafka, PATTERNS, Unruly(), ledger=Broken()), world.client):
            with pytest.raises(RpcError) as error:
                await world.client.send(PATTERNS.create, Article(title))
            assert error.value.status == (404 if title in {"surrogates", "long"} else 500)
            assert len(error.value.detail) < 10_000
        assert open_records(world) == 0

    run_virtually(run())


@pytest.mark.parametrize("title", ["cancelled", "surrogates", "silent"])
def test_a_stream_whose_handler_ends_oddly_ends_at_its_caller(title: str) -> None:
    async def run() -> None:
        world = World()
        async with started(fake_server(world.kafka, PATTERNS, Unruly()), world.client):
            stream = world.client.stream(PATTERNS.titles, Article(title))
            with pytest.raises(RpcError, match=r"404|500"):
                assert [one async for one in stream] == []
        assert open_records(world) == 0

    run_virtually(run())


@pytest.mark.parametrize("title", ["cancelled", "surrogates", "silent"])
def test_an_event_whose_handler_ends_oddly_is_a_dead_letter(title: str) -> None:
    async def run() -> None:
        world, unruly = World(), Unruly()
        async with started(fake_server(world.kafka, PATTERNS, unruly), world.client):
            for each in (title, "next"):
                await world.client.emit(PATTERNS.created, Article(each), key="k")
            await asyncio.sleep(1)
        assert unruly.seen == [title, title, "next"]
        assert len(world.kafka.records(LETTERS)) == 1
        assert open_records(world) == 0

    run_virtually(run())


@pytest.mark.parametrize("topic", [PATTERNS.create.topic, PATTERNS.created.topic])
def test_a_record_whose_headers_cannot_be_read_is_not_handled(topic: str) -> None:
    """Whether it was a request, and whose, nobody knows."""

    async def run() -> None:
        world, unruly = World(), Unruly()
        sent = world.kafka.write(OutgoingRecord(topic, b"k", b'{"title":"a"}', ()))
        (log,) = [log for at, log in world.kafka.logs.items() if at.topic == topic and log]
        found = log[0]
        fault = RecordFault("unreadable_headers", "its headers cannot be read")
        log[0] = IncomingRecord(topic, sent.partition, 0, found.timestamp_ms, b"k", found.value, (), fault)
        async with started(fake_server(world.kafka, PATTERNS, unruly)):
            await asyncio.sleep(1)
        assert unruly.seen == []
        assert len(world.kafka.records(LETTERS)) == (topic == PATTERNS.created.topic)
        assert open_records(world) == 0

    run_virtually(run())


def test_a_handler_that_does_not_let_itself_be_cut_off_keeps_no_server_from_stopping() -> None:
    """Nor the next session, after Kafka was away."""

    async def run() -> None:
        world, unruly = World(), Unruly()
        loop = asyncio.get_running_loop()
        server = fake_server(world.kafka, PATTERNS, unruly)
        await server.start()
        world.ask_as_nest("stubborn")
        await asyncio.sleep(1)
        began = loop.time()
        try:
            await server.stop()
            assert loop.time() - began < 12
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "rpc-server"]
        finally:
            unruly.is_released.set()

    run_virtually(run(), turns_allowed=100_000)


def test_a_refused_request_holds_no_transaction_while_kafka_is_away() -> None:
    async def run() -> None:
        world = World()

        class Away(Memory):
            """Kafka goes while the handler is at it."""

            async def begin(self, request_id: str) -> Entry:
                world.kafka.is_up.clear()
                return await super().begin(request_id)

        memory = Away()
        async with started(fake_server(world.kafka, PATTERNS, Unruly(), ledger=memory)):
            world.ask_as_nest("once")
            await asyncio.sleep(1)
            assert [each.is_over for each in memory.entries] == [True]
            assert world.replies() == []
            world.kafka.is_up.set()
            await asyncio.sleep(1)
            (reply,) = world.kafka.records(REPLIES)
            error = read_reply(reply).error
            assert error is not None
            assert error.status == 500

    run_virtually(run())
