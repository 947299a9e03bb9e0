"""Every door of the shop, also those to come: what it does not know is refused, not ignored."""

import json
from typing import Any

import pytest

from app.main import create_app
from kits.web.documents.openapi import openapi_document
from tests.integration.api.conftest import Shop
from tests.integration.api.raw import exchange, message
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER_ID = "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91"
SCOPES = ["orders:fulfil", "orders:pay", "orders:read", "catalogue:write"]
STAFF = f"Bearer {a_token('c-1', scopes=SCOPES)}"


def example_of(operation: Any) -> bytes:
    """A good body, if the door takes one."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return json.dumps(body["example"]).encode() if body else b""


PAGES = [("GET", "/docs"), ("GET", "/docs/problems"), ("GET", "/docs/openapi.json")]
BODIES = {
    (method.upper(), path.format(order_id=ORDER_ID, product_id="p-1", code="A")): example_of(operation)
    for path, methods in openapi_document(create_app(container_of(InMemoryShop())))["paths"].items()
    for method, operation in methods.items()
}
DOORS = sorted(BODIES)


def request(method: str, path: str) -> bytes:
    """A good request, by somebody who may do everything."""
    body = BODIES.get((method, path.partition("?")[0]), b"")
    named = {"content_type": "application/json", "idempotency_key": "k-1", "authorization": STAFF}
    return message(method, path, body, **named)


@pytest.mark.parametrize(("method", "path"), [*DOORS, *PAGES])
@pytest.mark.parametrize("query", ["x=1", "status=", "x", "=1", "limit=1&limit=1", "x=%ff", "x=%zz", "x=%00"])
async def test_a_parameter_that_a_door_does_not_know_is_refused(
    shop: Shop, method: str, path: str, query: str
) -> None:
    reply = await shop.send(request(method, f"{path}?{query}"))
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
    assert all("parameter" in error for error in reply.json["errors"])
    assert (shop.behind.commands, shop.behind.changes) == ([], [])


@pytest.mark.parametrize(("method", "path"), [*DOORS, *PAGES])
async def test_an_empty_query_is_none(shop: Shop, method: str, path: str) -> None:
    for query in ("?", "?&"):
        # An order's reference is its own.
        shop.behind.orders.clear()
        assert (await shop.send(request(method, path + query))).status in {200, 201, 202, 404}


async def test_a_filter_that_does_not_exist_is_not_taken_for_no_filter(shop: Shop) -> None:
    reply = await shop.get("/orders?total=5&limit=5")
    assert [error["parameter"] for error in reply.problem()["errors"]] == ["total"]


async def test_who_may_not_enter_is_not_told_about_parameters(shop: Shop) -> None:
    assert (await shop.send(message("GET", "/orders?x=1"))).status == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_probe_takes_whatever_a_load_balancer_adds(shop: Shop, path: str) -> None:
    assert (await exchange(shop.ops_port, message("GET", f"{path}?t=1732000000"))).status == 200


async def test_options_asks_about_the_path_alone(shop: Shop) -> None:
    reply = await shop.send(message("OPTIONS", "/orders?limit=5&x=1"))
    assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[{"productId":"p-1","quantity":1,"quantity":2}]}',
        b'{"items":[{"productId":"p-1","quantity":1,"qu\\u0061ntity":1}]}',
        b'{"couponCode":"A","items":[{"productId":"p-1","quantity":1}],"couponCode":"B"}',
        b'{"couponCode":null,"items":[{"productId":"p-1","quantity":1}],"couponCode":null}',
    ],
)
async def test_a_member_that_stands_twice_is_refused(shop: Shop, body: bytes) -> None:
    reply = await shop.order(body)
    assert (reply.status, reply.problem()["code"]) == (400, "malformed_body")
    assert "stands twice" in reply.json["detail"]
    assert shop.behind.commands == []
