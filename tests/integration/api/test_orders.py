"""POST /orders and GET /orders/{id} over a real socket."""

import json

import pytest

from app.application.errors import (
    LockWaitError,
    RowHeldError,
    StorageBusyError,
    StorageConflictError,
    StorageRefusedError,
    StorageUnavailableError,
)
from app.domain.errors import CouponExhaustedError, CouponExpiredError, TooManyOpenOrdersError
from app.domain.seller import Seller, SellerSource
from kits.observability.traces import trace_id
from tests.builders import NOW
from tests.integration.api.conftest import Shop
from tests.integration.api.raw import message
from tests.unit.api.in_memory_shop import a_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = b'{"items":[{"productId":"p-1","quantity":2}],"couponCode":"WELCOME10"}'


async def test_an_order_is_accepted(shop: Shop) -> None:
    reply = await shop.order(ORDER)
    assert reply.status == 202
    order_id = next(iter(shop.behind.orders))
    assert reply.headers["location"] == f"/orders/{order_id}"
    assert reply.headers["retry-after"] == "1"
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {
        "orderId": order_id,
        "status": "PENDING",
        "currency": "KRW",
        "subtotal": 30_000,
        "discount": 3_000,
        "total": 27_000,
        "couponCode": "WELCOME10",
        "clientReference": None,
        "createdAt": "2026-11-21T07:00:00Z",
        "expiresAt": "2026-11-21T07:15:00Z",
        "links": {"self": f"/orders/{order_id}"},
    }


async def test_the_command_carries_the_customer_and_the_trace(shop: Shop) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await shop.order(ORDER, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    (command,) = shop.behind.commands
    assert command.customer_id == "c-1"
    assert trace_id(command.traceparent) == trace


async def test_the_same_product_twice_is_merged(shop: Shop) -> None:
    products = ("p-2", 1), ("p-1", 1), ("p-2", 2)
    items = [{"productId": product, "quantity": quantity} for product, quantity in products]
    body = json.dumps({"items": items}).encode()
    assert (await shop.order(body)).status == 202
    (command,) = shop.behind.commands
    assert [(item.product_id, item.quantity) for item in command.items] == [("p-2", 3), ("p-1", 1)]


async def test_merging_keeps_the_limit_of_pieces(shop: Shop) -> None:
    body = b'{"items":[{"productId":"p-1","quantity":600},{"productId":"p-1","quantity":600}]}'
    problem = (await shop.order(body)).problem()
    assert problem["errors"][0]["pointer"] == "#/items/1/quantity"


async def test_an_order_without_a_coupon_says_null(shop: Shop) -> None:
    for body in (b'{"items":[{"productId":"p-1","quantity":1}]}', ORDER.replace(b'"WELCOME10"', b"null")):
        reply = await shop.order(body)
        assert (reply.status, reply.json["couponCode"]) == (202, None)


async def test_an_order_has_the_name_that_its_customer_gives_it(shop: Shop) -> None:
    """And none has it again; null is none."""
    body = b'{"items":[{"productId":"p-1","quantity":1}],"clientReference":"~cart/4711!"}'
    accepted = await shop.order(body)
    assert (accepted.status, accepted.json["clientReference"]) == (202, "~cart/4711!")
    assert (await shop.get(accepted.headers["location"])).json["clientReference"] == "~cart/4711!"
    again = await shop.order(body)
    problem = again.problem()
    assert (again.status, problem["code"]) == (409, "client_reference_used")
    assert problem["orderId"] == accepted.json["orderId"]
    for _ in range(2):
        nameless = await shop.order(body.replace(b'"~cart/4711!"', b"null"))
        assert (nameless.status, nameless.json["clientReference"]) == (202, None)


@pytest.mark.parametrize("reference", ['""', '"a b"', '"\u00e9"', '"' + "a" * 65 + '"', '"a\\n"', "1", "[]"])
async def test_a_reference_is_up_to_64_visible_characters(shop: Shop, reference: str) -> None:
    body = f'{{"items":[{{"productId":"p-1","quantity":1}}],"clientReference":{reference}}}'.encode()
    reply = await shop.order(body)
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
    assert reply.json["errors"][0]["pointer"] == "#/clientReference"


async def test_too_few_pieces_name_the_product_and_what_is_left(shop: Shop) -> None:
    reply = await shop.order(b'{"items":[{"productId":"p-1","quantity":101}]}')
    problem = reply.problem()
    assert (reply.status, problem["code"]) == (409, "out_of_stock")
    assert (problem["product"], problem["available"]) == ("p-1", 100)


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry_after"),
    [
        (CouponExpiredError("It is over.", coupon="A"), 422, "coupon_expired", None),
        (CouponExhaustedError("It is used up.", coupon="A"), 409, "coupon_exhausted", None),
        (TooManyOpenOrdersError(50), 429, "too_many_open_orders", "60"),
        (StorageUnavailableError("The database is away."), 503, "storage_unavailable", "1"),
        (StorageConflictError("Busy."), 503, "storage_conflict", "1"),
        (StorageBusyError("Too slow."), 503, "storage_busy", "1"),
        (LockWaitError("Held."), 503, "storage_busy", "1"),
        (RowHeldError([("product", "p-1")]), 503, "storage_busy", "1"),
        (StorageRefusedError("Refused."), 422, "storage_refused", None),
    ],
)
async def test_what_the_shop_raises_becomes_its_problem(
    shop: Shop, failure: Exception, status: int, code: str, retry_after: str | None
) -> None:
    shop.behind.failure = failure
    reply = await shop.order(ORDER)
    assert (reply.status, reply.problem()["code"]) == (status, code)
    assert reply.headers.get("retry-after") == retry_after


async def test_a_bug_shows_nothing_of_itself(shop: Shop) -> None:
    shop.behind.failure = RuntimeError("password=hunter2")
    reply = await shop.order(ORDER)
    assert (reply.status, reply.problem()["code"]) == (500, "internal_error")
    assert b"hunter2" not in reply.body
    assert len(reply.json["traceId"]) == 32


async def test_an_order_is_shown_to_its_customer_with_its_version(shop: Shop) -> None:
    accepted = await shop.order(ORDER)
    reply = await shop.get(accepted.headers["location"])
    assert (reply.status, reply.headers["etag"]) == (200, '"1"')
    assert reply.json == accepted.json | {
        "version": 1,
        "items": [{"productId": "p-1", "name": "Product p-1", "unitPrice": 15_000, "quantity": 2}],
    }


async def test_another_customers_order_is_not_found(shop: Shop) -> None:
    accepted = await shop.order(ORDER)
    reply = await shop.get(accepted.headers["location"], authorization=f"Bearer {a_token('c-2')}")
    assert (reply.status, reply.problem()["code"]) == (404, "order_not_found")


async def test_a_missing_order_is_not_found(shop: Shop) -> None:
    reply = await shop.get("/orders/019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91")
    assert (reply.status, reply.problem()["code"]) == (404, "order_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/orders", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/orders/x/payment", "OPTIONS, POST"),
        ("PATCH", "/products/p-1", "GET, HEAD, OPTIONS, PUT"),
        ("PROPFIND", "/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_not_possible_names_those_that_are(
    shop: Shop, method: str, path: str, allow: str
) -> None:
    reply = await shop.send(message(method, path))
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    reply.problem()
    reply = await shop.send(message("OPTIONS", path))
    assert (reply.status, reply.headers["allow"]) == (204, allow)


async def test_head_is_get_without_its_body(shop: Shop) -> None:
    get, head = await shop.get("/products/p-1"), await shop.send(message("HEAD", "/products/p-1"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_products_are_listed_page_by_page(shop: Shop) -> None:
    seen, cursor = [], ""
    while True:
        page = (await shop.send(message("GET", f"/products?limit=2{cursor}"))).json
        seen += [product["id"] for product in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["p-1", "p-2", "p-3", "p-4", "p-5"]


async def test_a_page_that_is_just_full_is_the_last(shop: Shop) -> None:
    assert (await shop.get("/products?limit=5")).json["next"] is None


async def test_a_product_shows_its_price_and_stock_to_everybody(shop: Shop) -> None:
    reply = await shop.send(message("GET", "/products/p-1"))
    assert reply.status == 200
    assert reply.json == {
        "id": "p-1",
        "name": "Product p-1",
        "price": 15_000,
        "currency": "KRW",
        "stock": 100,
        "seller": None,
    }


@pytest.mark.parametrize("path", ["/products/p-1", "/items/p-1"])
async def test_a_product_shows_who_sells_it_under_the_name_that_is_known(shop: Shop, path: str) -> None:
    """The tag of an answer follows the name; the page of products says the same."""
    shop.behind.products_by_id["p-1"].seller_id = "m-1"
    unknown = await shop.get(path)
    assert unknown.json["seller"] == {
        "id": "m-1", "name": "Unknown Member", "source": "fallback", "asOf": None,
    }  # fmt: skip
    tags = {unknown.headers["etag"]}
    for name in ("Hong Gildong", "Hong Gil-dong"):
        shop.behind.replica["m-1"] = Seller("m-1", name, SellerSource.REPLICA, NOW)
        known = await shop.get(path, if_none_match=unknown.headers["etag"])
        assert known.json["seller"] == {
            "id": "m-1", "name": name, "source": "replica", "asOf": "2026-11-21T07:00:00Z",
        }  # fmt: skip
        tags.add(known.headers["etag"])
        assert (await shop.get("/products?limit=1")).json["items"] == [known.json]
        assert (await shop.get(path, if_none_match=known.headers["etag"])).status == 304
    assert len(tags) == 3


async def test_a_missing_product_is_not_found(shop: Shop) -> None:
    reply = await shop.get("/products/p-99")
    assert (reply.status, reply.problem()["code"]) == (404, "product_not_found")


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "k 1", "schlüssel".encode().decode("latin-1")])
async def test_a_key_that_is_not_visible_ascii_is_refused_with_the_headers_name(shop: Shop, key: str) -> None:
    """Before anything is ordered."""
    reply = await shop.order(b'{"items":[{"productId":"p-1","quantity":1}]}', idempotency_key=key)
    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    assert reply.json["errors"][0]["header"] == "Idempotency-Key"
    assert shop.behind.commands == []


async def test_a_key_and_the_hash_of_the_decoded_body_go_with_the_command(shop: Shop) -> None:
    """Blanks and the order of members make no other request; another quantity does."""
    for body in (
        b'{"items":[{"productId":"p-1","quantity":1}]}',
        b'{"items": [ {"quantity":1, "productId":"p-1"} ], "couponCode": null}',
        b'{"items":[{"productId":"p-1","quantity":2}]}',
    ):
        assert (await shop.order(body, idempotency_key="k-1")).status == 202
    first, same, other = [command.idempotency for command in shop.behind.commands]
    assert first == same
    assert first is not None
    assert other is not None
    assert (first.key, len(first.request_hash)) == ("k-1", 32)
    assert first.request_hash != other.request_hash


async def test_however_a_coupon_is_spelled_it_is_the_same_body(shop: Shop) -> None:
    """Case and blanks around the code; what is no code at all is refused."""
    for code in (b"WELCOME10", b"welcome10", b" Welcome10\\t"):
        body = b'{"items":[{"productId":"p-1","quantity":1}],"couponCode":"%b"}' % code
        reply = await shop.order(body, idempotency_key="k-1")
        assert (reply.status, reply.json["couponCode"]) == (202, "WELCOME10")
    assert len({command.idempotency for command in shop.behind.commands}) == 1
    for code in (b"", b"  ", b"WEL COME", b"WELCOME10\\n", b"\\u00a0WELCOME10", b"W\xc4\xb1N"):
        body = b'{"items":[{"productId":"p-1","quantity":1}],"couponCode":"%b"}' % code
        refused = await shop.order(body)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/couponCode")
        assert "\\Z" not in refused.json["errors"][0]["detail"]


async def test_a_replayed_order_is_the_same_202_with_a_mark(shop: Shop) -> None:
    """Also when the order has gone on meanwhile: it is shown as it was placed."""
    first = await shop.order(b'{"items":[{"productId":"p-1","quantity":1}]}', idempotency_key="k-1")
    shop.behind.replayed = shop.behind.orders[first.json["orderId"]]
    again = await shop.order(b'{"items":[{"productId":"p-1","quantity":1}]}', idempotency_key="k-1")
    assert (again.status, again.json) == (first.status, first.json)
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
