"""A process that is asked to stop: unready first, then its last answers, then the drain."""

import asyncio
from contextlib import suppress

from kits.web.server.serving import Shutdown
from tests.integration.api.raw import Reply, exchange, message, read_reply
from tests.integration.api.serving import Running, SlowShop, an_order, running
from tests.unit.api.in_memory_shop import InMemoryShop
from tests.waiting import eventually


async def readiness(server: Running) -> Reply:
    return await exchange(server.ops_port, message("GET", "/readyz"))


async def cut_short(server: Running) -> None:
    """Do not wait for the delay."""
    server.task.cancel()
    with suppress(asyncio.CancelledError):
        await server.task


async def test_in_the_delay_it_is_unready_and_serves_new_and_old_connections_a_last_time() -> None:
    async with running(InMemoryShop(), shutdown=Shutdown(delay_seconds=60)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(message("GET", "/products"))
        assert "connection" not in (await read_reply(reader)).headers
        assert (await readiness(server)).status == 200
        server.stop.set()
        await eventually(lambda: is_unready(server))
        writer.write(an_order())
        for reply in (await read_reply(reader), await exchange(server.port, an_order())):
            assert (reply.status, reply.headers["connection"]) == (202, "close")
        assert await reader.read() == b""
        writer.close()
        assert (await exchange(server.ops_port, message("GET", "/livez"))).status == 200
        await cut_short(server)


async def is_unready(server: Running) -> bool:
    return (await readiness(server)).status == 503


async def test_an_order_under_way_when_the_delay_begins_is_its_connections_last() -> None:
    shop = SlowShop()
    async with running(shop, shutdown=Shutdown(delay_seconds=60)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(an_order())
        await shop.entered.wait()
        server.stop.set()
        await eventually(lambda: is_unready(server))
        shop.leave.set()
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (202, "close")
        writer.close()
        await cut_short(server)


async def test_readiness_can_be_read_until_the_drain_has_ended() -> None:
    shop = SlowShop()
    async with running(shop, shutdown=Shutdown(delay_seconds=0.01, drain_seconds=20)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(an_order())
        await shop.entered.wait()
        server.stop.set()
        await eventually(lambda: refuses_connections(server))
        assert (await readiness(server)).status == 503
        shop.leave.set()
        assert (await read_reply(reader)).status == 202
        writer.close()
        await asyncio.wait_for(server.task, 20)


async def refuses_connections(server: Running) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # It was on its way when the listener closed; the next one is refused.
        return False
    writer.transport.abort()
    return False


async def test_at_once_there_is_neither_delay_nor_drain() -> None:
    shop, at_once = SlowShop(), asyncio.Event()
    slow = Shutdown(delay_seconds=600, drain_seconds=600)
    async with running(shop, shutdown=slow, at_once=at_once) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(an_order())
        await shop.entered.wait()
        at_once.set()
        server.stop.set()
        reply = await read_reply(reader)
        assert (reply.status, reply.problem()["code"]) == (503, "shutting_down")
        writer.close()
        shop.leave.set()
        await asyncio.wait_for(server.task, 20)
