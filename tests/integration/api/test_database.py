"""The doors with the real use cases and a real database behind them, while Kafka is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.application.demo_catalogue import demo_coupons, demo_products
from app.command_container import DatabaseContainer
from app.container import Container
from app.main import create_app, create_ops_app
from app.settings import AppSettings, DatabaseCommandSettings
from kits.kafka.security import KafkaSettings
from kits.postgres.engine import DatabaseSettings
from kits.settings import Secret
from kits.web.server.serving import Ops, Shutdown, serve
from kits.web.tokens.settings import TokenSettings
from tests.integration.api.raw import Reply, exchange, message
from tests.unit.api.in_memory_shop import SECRET, a_token
from tests.waiting import patient


@pytest.fixture
async def ports(database_url: str) -> AsyncIterator[tuple[int, int]]:
    """The ports of a shop with two products of five pieces each, and of its operators."""
    database = DatabaseSettings(url=Secret(database_url))
    commands = DatabaseContainer(settings=DatabaseCommandSettings(database=database))
    await commands.catalogue().add(demo_products(2, 5), demo_coupons())
    await commands.engine().dispose()
    settings = AppSettings(
        database=database,
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        jwt=TokenSettings(secret=SECRET),
    )
    container = Container(settings=settings)
    loop = asyncio.get_running_loop()
    listening, operating = loop.create_future(), loop.create_future()
    stop = asyncio.Event()
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=operating.set_result)
    app, shutdown = create_app(container), Shutdown(drain_seconds=1)
    serving = asyncio.create_task(
        serve(
            app,
            host="127.0.0.1",
            port=0,
            stop=stop,
            ready=listening.set_result,
            shutdown=shutdown,
            ops=ops,
        )
    )
    yield await asyncio.wait_for(listening, patient(60)), await asyncio.wait_for(operating, patient(60))
    stop.set()
    await asyncio.wait_for(serving, patient(60))
    await container.engines.orders().dispose()


@pytest.fixture
def port(ports: tuple[int, int]) -> int:
    """The shop's."""
    return ports[0]


async def order(port: int, body: str, sub: str = "c-1") -> Reply:
    token = {"authorization": f"Bearer {a_token(sub)}"}
    return await exchange(
        port, message("POST", "/orders", body.encode(), content_type="application/json", **token)
    )


async def test_an_order_is_placed_shown_and_refused_by_the_real_shop(port: int) -> None:
    accepted = await order(port, '{"items":[{"productId":"p-1","quantity":2}],"couponCode":"WELCOME10"}')
    assert accepted.status == 202
    assert accepted.json["discount"] * 10 == accepted.json["subtotal"]

    token = {"authorization": f"Bearer {a_token()}"}
    shown = await exchange(port, message("GET", accepted.headers["location"], b"", **token))
    assert (shown.status, shown.headers["etag"]) == (200, '"1"')
    assert shown.json.items() >= accepted.json.items()

    stranger = {"authorization": f"Bearer {a_token('c-2')}"}
    hidden = await exchange(port, message("GET", accepted.headers["location"], b"", **stranger))
    assert (hidden.status, hidden.problem()["code"]) == (404, "order_not_found")

    product = await exchange(port, message("GET", "/products/p-1"))
    assert product.json["stock"] == 3

    refused = await order(port, '{"items":[{"productId":"p-1","quantity":4}]}')
    assert (refused.status, refused.problem()["available"]) == (409, 3)

    unknown = await order(port, '{"items":[{"productId":"p-1","quantity":1}],"couponCode":"NONE"}')
    assert (unknown.status, unknown.problem()["code"]) == (422, "coupon_not_found")

    page = await exchange(port, message("GET", "/products?limit=1"))
    assert [product["id"] for product in page.json["items"]] == ["p-1"]
    rest = await exchange(port, message("GET", f"/products?limit=5&cursor={page.json['next']}"))
    assert ([product["id"] for product in rest.json["items"]], rest.json["next"]) == (["p-2"], None)


async def test_a_step_that_is_repeated_with_its_key_is_answered_as_it_was_then(port: int) -> None:
    """Paid, fulfilled, and the payment sent again, with the same If-Match; then with another one."""
    placed = await order(port, '{"items":[{"productId":"p-1","quantity":1}],"couponCode":" welcome10"}')
    address = placed.headers["location"]
    token = {"authorization": f"Bearer {a_token(scopes=['orders:fulfil'])}", "idempotency_key": "k-1"}
    payer = {
        "authorization": f"Bearer {a_token('psp-1', scopes=['orders:pay'])}",
        "content_type": "application/json",
    }
    total = placed.json["total"]
    body = b'{"reference":"pay-1","amount":%d,"currency":"KRW"}' % total
    payment = message("POST", f"{address}/payment", body, if_match='"1"', idempotency_key="k-1", **payer)
    paid = await exchange(port, payment)
    fulfilled = await exchange(port, message("POST", f"{address}/fulfilment", b"", **token))
    again = await exchange(port, payment)
    assert (paid.status, fulfilled.json["status"], again.status) == (200, "FULFILLED", 200)
    assert (again.json, again.headers["etag"]) == (paid.json, '"2"')
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.json["status"], again.json["couponCode"]) == ("PAID", "WELCOME10")
    other = message("POST", f"{address}/payment", body, if_match='"2"', idempotency_key="k-1", **payer)
    reused = await exchange(port, other)
    assert (reused.status, reused.problem()["code"]) == (422, "idempotency_key_reused")

    by_name = await exchange(port, message("POST", f"{address}/payment", body, **payer))
    assert (by_name.json, by_name.headers["idempotency-replayed"]) == (paid.json, "true")
    second = body.replace(b"pay-1", b"pay-2")
    for _ in range(2):
        refused = await exchange(port, message("POST", f"{address}/payment", second, **payer))
        assert (refused.status, refused.problem()["code"]) == (409, "invalid_transition")
        assert refused.json["current"] == "FULFILLED"
    shown = await exchange(port, message("GET", address, b"", authorization=f"Bearer {a_token()}"))
    assert (shown.json["status"], shown.headers["etag"]) == ("FULFILLED", '"4"')
    wrong = b'{"reference":"pay-3","amount":%d,"currency":"KRW"}' % (total + 1)
    mismatch = await exchange(port, message("POST", f"{address}/payment", wrong, **payer))
    assert (mismatch.status, mismatch.problem()["total"], mismatch.json["amount"]) == (422, total, total + 1)


async def test_without_kafka_the_shop_is_degraded_and_ready(ports: tuple[int, int]) -> None:
    reply = await exchange(ports[1], message("GET", "/readyz"))
    assert (reply.status, reply.json["checks"]["database"]["status"]) == (200, "ok")
