"""The fault proxy, between an echo server and a client on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.proxy import FaultProxy, Forecast, Weather
from tests.waiting import eventually, patient

LOOPBACK = "127.0.0.1"
SHORT_SECONDS = 0.1


class Echo:
    """A server that answers what it gets, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.port: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1024):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, words: bytes) -> None:
        self.writer.write(words)

    async def hears(self, words: bytes) -> bool:
        return await asyncio.wait_for(self.reader.readexactly(len(words)), patient(60)) == words

    async def hears_nothing(self) -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), SHORT_SECONDS)
        return True

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), patient(60)) == b""

    async def is_reset(self) -> bool:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(self.reader.read(1), patient(60))
        return True


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """The target."""
    target = Echo()
    server = await asyncio.start_server(target.serve, LOOPBACK, 0)
    target.port = server.sockets[0].getsockname()[1]
    yield target
    server.close()
    await server.wait_closed()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    """In fair weather."""
    between = FaultProxy(lambda: echo.port)
    await between.start()
    yield between
    await between.stop()


@asynccontextmanager
async def client_of(proxy: FaultProxy) -> AsyncIterator[Client]:
    """A client that leaves at the end."""
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    yield Client(reader, writer)
    writer.close()


async def test_in_fair_weather_bytes_go_both_ways_and_an_end_is_told(proxy: FaultProxy, echo: Echo) -> None:
    """To many connections at a time."""
    async with client_of(proxy) as one, client_of(proxy) as other:
        one.send(b"a" * 200_000)
        other.send(b"other")
        assert await other.hears(b"other")
        assert await one.hears(b"a" * 200_000)


async def test_a_delay_comes_before_every_chunk(proxy: FaultProxy) -> None:
    """In both directions."""
    async with client_of(proxy) as client:
        proxy.change(Forecast(Weather.DELAY, SHORT_SECONDS))
        began = asyncio.get_running_loop().time()
        client.send(b"late")
        assert await client.hears(b"late")
        assert asyncio.get_running_loop().time() - began >= 2 * SHORT_SECONDS


async def test_a_reset_breaks_the_connections_that_are_there_and_new_ones(proxy: FaultProxy) -> None:
    """Until the weather is fair again."""
    async with client_of(proxy) as client:
        client.send(b"before")
        assert await client.hears(b"before")
        proxy.change(Forecast(Weather.RESET))
        assert await client.is_reset()
    async with client_of(proxy) as client:
        assert await client.is_reset()
    proxy.change(Forecast())
    async with client_of(proxy) as client:
        client.send(b"after")
        assert await client.hears(b"after")


async def test_a_black_hole_holds_everything_and_gives_it_back(proxy: FaultProxy, echo: Echo) -> None:
    """Nothing arrives and nobody is told; afterwards nothing is missing."""
    async with client_of(proxy) as client:
        proxy.change(Forecast(Weather.BLACK_HOLE))
        client.send(b"held")
        assert await client.hears_nothing()
        assert echo.heard == b""
        async with client_of(proxy) as new:
            new.send(b"new")
            assert await new.hears_nothing()
            proxy.change(Forecast())
            assert await new.hears(b"new")
        assert await client.hears(b"held")


async def test_a_slow_close_delivers_requests_loses_answers_and_ends_later(
    proxy: FaultProxy, echo: Echo
) -> None:
    """The unknown outcome: done, and nobody knows."""
    async with client_of(proxy) as client:
        proxy.change(Forecast(Weather.SLOW_CLOSE, 3 * SHORT_SECONDS))
        began = asyncio.get_running_loop().time()
        client.send(b"done")
        await eventually(lambda: echo.heard == b"done")
        assert await client.is_closed(), "without an answer"
        assert asyncio.get_running_loop().time() - began >= 3 * SHORT_SECONDS


async def test_a_target_that_is_away_breaks_the_connection(proxy: FaultProxy, echo: Echo) -> None:
    """The port is asked for anew each time: a target that came back elsewhere is found."""
    port, echo.port = echo.port, None
    async with client_of(proxy) as client:
        assert await client.is_reset()
    echo.port = port
    async with client_of(proxy) as client:
        client.send(b"back")
        assert await client.hears(b"back")
