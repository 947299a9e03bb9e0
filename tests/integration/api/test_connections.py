"""Many connections at once: those who only hold them keep nobody out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kits.web.server.connections import ConnectionLimits
from tests.integration.api.raw import exchange, message, read_reply
from tests.integration.api.serving import SlowShop, an_order, running
from tests.unit.api.in_memory_shop import InMemoryShop

HOME = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(port: int, count: int, address: str = HOME) -> AsyncIterator[list[Stream]]:
    """So many connections from one address."""
    streams = [await asyncio.open_connection(HOME, port, local_addr=(address, 0)) for _ in range(count)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"GET /products HTTP/1.1\r\nHost: sh"])
async def test_silent_and_slow_ones_up_to_the_bound_leave_orders_and_probes_alone(sent: bytes) -> None:
    limits = ConnectionLimits(connections=20)
    async with running(InMemoryShop(), limits=limits) as server, connected(server.port, 60) as streams:
        for _, writer in streams:
            writer.write(sent)
        for _ in range(3):
            assert (await exchange(server.port, an_order())).status == 202
        assert (await exchange(server.ops_port, message("GET", "/livez"))).status == 200


async def test_the_longest_idle_makes_room_and_the_others_stay() -> None:
    limits = ConnectionLimits(connections=3)
    async with running(InMemoryShop(), limits=limits) as server, connected(server.port, 3) as streams:
        for reader, writer in streams:
            writer.write(message("GET", "/products"))
            assert (await read_reply(reader)).status == 200
        assert (await exchange(server.port, message("GET", "/products"))).status == 200
        assert await streams[0][0].read() == b""
        for reader, writer in streams[1:]:
            writer.write(message("GET", "/products"))
            assert (await read_reply(reader)).status == 200


async def test_when_all_are_at_work_a_further_one_is_told_to_come_again() -> None:
    shop, limits = SlowShop(), ConnectionLimits(connections=1)
    async with running(shop, limits=limits) as server, connected(server.port, 1) as ((reader, writer),):
        writer.write(an_order())
        await shop.entered.wait()
        refused = await exchange(server.port, b"")
        assert (refused.status, refused.problem()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        shop.leave.set()
        assert (await read_reply(reader)).status == 202


async def test_an_address_with_too_much_at_work_is_refused_and_another_is_served() -> None:
    shop, limits = SlowShop(), ConnectionLimits(per_address=1)
    async with running(shop, limits=limits) as server, connected(server.port, 1) as ((reader, writer),):
        writer.write(an_order())
        await shop.entered.wait()
        refused = await exchange(server.port, b"")
        assert (refused.status, refused.problem()["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == "1"
        async with connected(server.port, 1, ELSEWHERE) as ((other, other_writer),):
            other_writer.write(message("GET", "/products"))
            assert (await read_reply(other)).status == 200
        shop.leave.set()
        assert (await read_reply(reader)).status == 202


async def test_a_silent_connection_is_closed_after_the_receive_time() -> None:
    limits = ConnectionLimits(receive_seconds=0.1)
    async with running(InMemoryShop(), limits=limits) as server:
        assert (await exchange(server.port, b"")).status == 408


async def test_an_idle_connection_is_kept_for_the_keep_alive_time_and_no_longer() -> None:
    limits = ConnectionLimits(keep_alive_seconds=1.0, receive_seconds=0.1)
    async with (
        running(InMemoryShop(), limits=limits) as server,
        connected(server.port, 1) as ((reader, writer),),
    ):
        for _ in range(2):
            writer.write(message("GET", "/products"))
            assert (await read_reply(reader)).status == 200
        assert await asyncio.wait_for(reader.read(), 10) == b""
