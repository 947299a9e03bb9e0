"""A customer who asks too often, over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.main import create_app
from kits.resilience.rate_limit import RateLimiter
from kits.web.server.serving import serve
from tests.integration.api.raw import Reply, exchange, exchanges, message
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of
from tests.waiting import patient

ORDER = b'{"items":[{"productId":"p-1","quantity":1}]}'


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A shop where each customer may ask three times, and then once in twenty seconds."""
    container = container_of(InMemoryShop())
    container.rate_limiter.override(RateLimiter(0.05, burst=3))
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(create_app(container), host="127.0.0.1", port=0, stop=stop, ready=listening.set_result)
    )
    yield await asyncio.wait_for(listening, patient(60))
    stop.set()
    await asyncio.wait_for(serving, patient(60))


async def look(port: int, sub: str) -> Reply:
    """GET an order."""
    return await exchange(port, message("GET", "/orders/x", authorization=f"Bearer {a_token(sub)}"))


async def test_the_fourth_request_of_one_customer_is_429_and_others_go_on(port: int) -> None:
    """The problem says when to come again; another token of the same customer counts as the same."""
    assert [(await look(port, "c-1")).status for _ in range(3)] == [404] * 3
    refused = await look(port, "c-1")
    assert (refused.status, refused.problem()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    other_token = message("GET", "/orders/x", authorization=f"Bearer {a_token('c-1', ttl_seconds=60)}")
    assert (await exchange(port, other_token)).status == 429
    assert (await look(port, "c-2")).status == 404


async def test_a_refused_order_leaves_its_connection_usable(port: int) -> None:
    """Its body is read and thrown away."""
    order = message(
        "POST", "/orders", ORDER, content_type="application/json", authorization=f"Bearer {a_token()}"
    )
    replies = await exchanges(port, order * 5 + message("GET", "/products"), 6)
    assert [reply.status for reply in replies] == [202, 202, 202, 429, 429, 200]


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json", "/products"])
async def test_open_pages_have_no_limit(port: int, path: str) -> None:
    """Also with a token."""
    sent = message("GET", path, authorization=f"Bearer {a_token()}")
    assert {(await exchange(port, sent)).status for _ in range(10)} == {200}


async def test_a_bad_token_is_401_however_often(port: int) -> None:
    """It has no subject to count, and must not use up a customer's limit."""
    sent = message("GET", "/orders/x", authorization="Bearer x")
    assert {(await exchange(port, sent)).status for _ in range(10)} == {401}
    assert (await look(port, "c-1")).status == 404
