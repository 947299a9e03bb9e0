"""The server: it starts when it can, stops when it should, and never loses a request that it took."""

import asyncio
import socket

import pytest

from kits.web.server.listener import AddressError, PortTakenError
from kits.web.server.serving import Shutdown
from tests.integration.api.raw import exchange, message, read_reply
from tests.integration.api.serving import Running, SlowShop, an_order, running
from tests.unit.api.in_memory_shop import InMemoryShop
from tests.waiting import eventually


async def test_the_background_parts_run_exactly_while_it_serves() -> None:
    shop = InMemoryShop()
    async with running(shop) as server:
        assert shop.running
        assert (await exchange(server.ops_port, message("GET", "/livez"))).json == {"status": "alive"}
        assert (await exchange(server.port, message("GET", "/products"))).status == 200
    assert not shop.running


async def test_a_request_in_flight_is_finished_after_the_stop_and_no_other_is_taken() -> None:
    shop = SlowShop()
    async with running(shop) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(an_order())
        await shop.entered.wait()
        server.stop.set()
        await eventually(lambda: is_closed(server.port))
        assert (await server.health.report()).status == "unready"
        assert shop.running
        shop.leave.set()
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (202, "close")
        assert await reader.read() == b""
        writer.close()
    assert len(shop.orders) == 1


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_request_that_does_not_end_is_waited_for_within_a_bound() -> None:
    shop = SlowShop()
    async with running(shop, shutdown=Shutdown(drain_seconds=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(an_order())
        await shop.entered.wait()
        await server.end()
        assert not shop.running
        assert shop.orders == {}
        assert (await read_reply(reader)).status == 503
        writer.close()


async def test_an_idle_connection_does_not_hold_the_stop() -> None:
    async with running(InMemoryShop()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(message("GET", "/products"))
        await read_reply(reader)
        await server.end()
        assert await reader.read() == b""
        writer.close()


async def test_a_taken_port_is_one_sentence_and_nothing_was_started() -> None:
    shop = InMemoryShop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = Running(shop, port=port)
        with pytest.raises(PortTakenError, match=rf"Port {port} on 127\.0\.0\.1 is taken"):
            await server.task
    assert not shop.running


async def test_a_host_that_is_not_here_is_one_sentence() -> None:
    server = Running(InMemoryShop(), host="203.0.113.1")
    with pytest.raises(AddressError, match="Cannot listen on"):
        await server.task


async def test_a_start_that_fails_raises_its_own_error_after_it_was_undone() -> None:
    class BrokenShop(InMemoryShop):
        async def start(self) -> None:
            await super().start()
            raise LookupError("no such thing")

    shop = BrokenShop()
    server = Running(shop)
    with pytest.raises(LookupError, match="no such thing"):
        await server.task
    assert not shop.running


async def test_a_stop_during_the_start_gives_it_up() -> None:
    class EndlessShop(InMemoryShop):
        async def start(self) -> None:
            await super().start()
            await asyncio.Event().wait()

    shop = EndlessShop()
    server = Running(shop)
    await eventually(lambda: shop.running)
    await server.end()
    assert not shop.running


async def test_metrics_count_requests_by_template_and_never_by_what_was_sent() -> None:
    async with running(InMemoryShop()) as server:
        for path in ("/products/p-1", "/products/p-2", "/nothing/1", "/nothing/2"):
            await exchange(server.port, message("GET", path))
        text = (await exchange(server.ops_port, message("GET", "/metrics"))).body.decode()
    counted = "http_server_request_duration_seconds_count"
    found = [line.removeprefix(counted) for line in text.splitlines() if line.startswith(counted)]
    assert '{method="GET",route="/products/{product_id}",status_code="200"} 2.0' in found
    assert '{method="GET",route="unmatched",status_code="404"} 2.0' in found
    assert len(found) == 2


async def test_an_unready_process_says_why() -> None:
    async with running(InMemoryShop()) as server:
        assert (await exchange(server.ops_port, message("GET", "/readyz"))).json == {
            "status": "ok",
            "checks": {},
        }
        server.health.drain()
        reply = await exchange(server.ops_port, message("GET", "/readyz"))
        assert reply.status == 503
        assert reply.json["checks"]["process"]["status"] == "unready"
