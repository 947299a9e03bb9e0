"""The staff's doors: what a shop sells, how much of it there is, and its coupons."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import Reply, message
from tests.unit.api.in_memory_shop import a_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAFF = a_token("anna", scopes=["catalogue:write"])
READER = a_token("ben", scopes=["orders:read"])
TERMS = {"name": "Moka pot", "price": 2500, "currency": "KRW"}
PERCENT = {"kind": "percent", "value": 10}
FIXED = {"kind": "fixed", "value": 500, "currency": "EUR"}
MOVES = "/products/p-1/stock-movements"


async def send(shop: Shop, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    named = {"authorization": f"Bearer {STAFF}", "content_type": "application/json", **headers}
    return await shop.send(message(method, path, json.dumps(body).encode() if body else b"", **named))


async def move(shop: Shop, quantity: int, key: str, reason: str = "counted", **headers: str) -> Reply:
    body = {"quantity": quantity, "reason": reason}
    return await send(shop, "POST", MOVES, body, idempotency_key=key, **headers)


async def test_a_product_is_new_then_changed_then_the_same(shop: Shop) -> None:
    """Stock stays; what is left out is taken away; each change is audited once, with who did it."""
    new = await send(shop, "PUT", "/products/n-1", TERMS | {"sellerId": "m-1"})
    assert (new.status, new.json) == (201, {"id": "n-1", **TERMS, "sellerId": "m-1", "stock": 0})
    shop.behind.products_by_id["n-1"].stock = 7
    changed = await send(shop, "PUT", "/products/n-1", TERMS | {"price": 0})
    assert (changed.status, changed.json) == (
        200,
        {"id": "n-1", **TERMS, "price": 0, "sellerId": None, "stock": 7},
    )
    again = await send(shop, "PUT", "/products/n-1", TERMS | {"price": 0})
    assert (again.status, again.json, again.headers["etag"]) == (200, changed.json, changed.headers["etag"])
    shown = (await shop.get("/products/n-1")).json
    assert (shown["price"], shown["stock"], shown["seller"]) == (0, 7, None)
    audited = [(one.actor, one.source, one.before is None) for one in shop.behind.catalogue.audit]
    assert audited == [("anna", "PUT /products", True), ("anna", "PUT /products", False)]


@pytest.mark.parametrize("path", ["/products/p-1", "/items/p-1", "/products"])
async def test_what_a_shop_shows_is_changed_by_whoever_saw_it_last(shop: Shop, path: str) -> None:
    """The tag of a GET goes on through sales, and ends with a change; that of a page names no product."""
    tag = (await shop.get(path)).headers["etag"]
    shop.behind.products_by_id["p-1"].stock -= 3
    first = await send(shop, "PUT", "/products/p-1", TERMS, if_match=tag)
    assert first.status == (412 if path == "/products" else 200)
    if first.status == 200:
        second = await send(shop, "PUT", "/products/p-1", TERMS | {"price": 1}, if_match=tag)
        assert (second.status, second.problem()["code"]) == (412, "precondition_failed")
        third = await send(shop, "PUT", "/products/p-1", TERMS | {"price": 2}, if_match=first.headers["etag"])
        assert (third.status, third.json["price"]) == (200, 2)


@pytest.mark.parametrize(("path", "body"), [("/products/n-1", TERMS), ("/coupons/NEW", PERCENT)])
async def test_if_match_never_creates(shop: Shop, path: str, body: Any) -> None:
    for tags in ("*", '"x"', 'W/"x"', '""'):
        reply = await send(shop, "PUT", path, body, if_match=tags)
        assert (reply.status, reply.problem()["code"]) == (412, "precondition_failed")
    assert (await send(shop, "PUT", path, body, if_match="x")).status == 422
    assert (await send(shop, "PUT", path, body)).status == 201
    assert (await send(shop, "PUT", path, body, if_match="*")).status == 200
    weak = "W/" + (await send(shop, "PUT", path, body)).headers["etag"]
    assert (await send(shop, "PUT", path, body, if_match=weak)).status == 412


async def test_a_coupon_is_new_then_changed_and_keeps_its_uses(shop: Shop) -> None:
    """Its code in any spelling; a limit below its uses is refused with their number."""
    terms = FIXED | {"validUntil": "2027-01-01T02:00:00+02:00", "totalLimit": 9, "minimumSubtotal": 100}
    new = await send(shop, "PUT", "/coupons/winter", terms)
    kept = {
        "code": "WINTER", **terms, "validFrom": None, "validUntil": "2027-01-01T00:00:00Z",
        "customerLimit": None, "used": 0,
    }  # fmt: skip
    assert (new.status, new.json) == (201, kept)
    shop.behind.catalogue.coupons["WINTER"].used = 5
    found = await send(shop, "GET", "/coupons/Winter", authorization=f"Bearer {READER}")
    assert (found.status, found.json) == (200, kept | {"used": 5})
    assert (await send(shop, "GET", "/coupons/WINTER", if_none_match=found.headers["etag"])).status == 304
    low = await send(shop, "PUT", "/coupons/WINTER", terms | {"totalLimit": 4})
    assert (low.status, low.problem()["code"]) == (422, "coupon_limits_too_low")
    assert (low.json["coupon"], low.json["used"]) == ("WINTER", 5)
    changed = await send(shop, "PUT", "/coupons/WINTER", PERCENT, if_match=new.headers["etag"])
    assert (changed.status, changed.json["used"], changed.json["totalLimit"]) == (200, 5, None)
    assert [one.actor for one in shop.behind.catalogue.audit] == ["anna", "anna"]
    assert (await send(shop, "GET", "/coupons/OTHER")).problem()["code"] == "no_such_coupon"


async def test_a_movement_is_done_once_however_often_it_is_sent(shop: Shop) -> None:
    """The same answer; another body, and another product, are another request."""
    done = await move(shop, -2, "k-1", "broken")
    assert (done.status, done.headers.get("idempotency-replayed")) == (201, None)
    assert done.json | {"movementId": "", "at": ""} == {
        "movementId": "", "productId": "p-1", "quantity": -2, "stock": 98, "reason": "broken", "at": "",
        "by": "anna",
    }  # fmt: skip
    assert (await move(shop, 5, "k-2")).json["stock"] == 103
    again = await move(shop, -2, "k-1", "broken")
    assert (again.status, again.json, again.headers["idempotency-replayed"]) == (201, done.json, "true")
    for other in (await move(shop, -3, "k-1", "broken"), await move(shop, -2, "k-1", "lost")):
        assert (other.status, other.problem()["code"]) == (422, "idempotency_key_reused")
    elsewhere = {"quantity": -2, "reason": "broken"}
    reply = await send(shop, "POST", "/products/p-2/stock-movements", elsewhere, idempotency_key="k-1")
    assert reply.problem()["code"] == "idempotency_key_reused"
    eve = a_token("eve", scopes=["catalogue:write"])
    assert (await move(shop, 1, "k-1", authorization=f"Bearer {eve}")).status == 201
    assert shop.behind.products_by_id["p-1"].stock == 104


async def test_a_movement_that_is_refused_may_be_sent_again_with_its_key(shop: Shop) -> None:
    """Out of stock, too many, no such product: nothing is kept, not even the key."""
    low = await move(shop, -101, "k-1")
    assert (low.status, low.problem()["code"]) == (409, "out_of_stock")
    assert (low.json["product"], low.json["available"]) == ("p-1", 100)
    high = await move(shop, 2_000_000_000, "k-1")
    assert (high.status, high.problem()["code"]) == (409, "stock_refused")
    missing = await send(
        shop, "POST", "/products/p-99/stock-movements", {"quantity": 1, "reason": "x"}, idempotency_key="k-1"
    )
    assert (missing.status, missing.problem()["code"]) == (404, "product_not_found")
    assert shop.behind.catalogue.done == {}
    assert (await move(shop, -100, "k-1")).json["stock"] == 0


async def test_a_movement_without_a_key_is_refused(shop: Shop) -> None:
    reply = await send(shop, "POST", MOVES, {"quantity": 1, "reason": "x"})
    assert (reply.status, reply.problem()["errors"][0]["header"]) == (422, "Idempotency-Key")
    assert shop.behind.catalogue.done == {}


async def test_the_history_of_a_stock_is_read_page_by_page_newest_first(shop: Shop) -> None:
    """A movement that comes meanwhile shifts no page."""
    for number in range(1, 6):
        await move(shop, number, f"k-{number}")
    other = {"quantity": 9, "reason": "x"}
    await send(shop, "POST", "/products/p-2/stock-movements", other, idempotency_key="other")
    found, after = [], ""
    while True:
        page = (await send(shop, "GET", f"{MOVES}?limit=2{after}", authorization=f"Bearer {READER}")).json
        found += [one["quantity"] for one in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
        await move(shop, 7, f"meanwhile-{len(found)}")
    assert found == [5, 4, 3, 2, 1]
    assert (await send(shop, "GET", "/products/p-3/stock-movements")).json == {"items": [], "next": None}
    assert (await send(shop, "GET", "/products/p-99/stock-movements")).status == 404
    wrong = await send(shop, "GET", f"{MOVES}?after=x")
    assert (wrong.status, wrong.problem()["errors"][0]["parameter"]) == (422, "after")


@pytest.mark.parametrize(
    ("method", "path", "body", "readers"),
    [
        ("PUT", "/products/p-1", TERMS, 403),
        ("POST", MOVES, {"quantity": 1, "reason": "x"}, 403),
        ("GET", MOVES, None, 200),
        ("PUT", "/coupons/A", PERCENT, 403),
        ("GET", "/coupons/A", None, 404),
    ],
)
async def test_only_staff_comes_in(shop: Shop, method: str, path: str, *, body: Any, readers: int) -> None:
    """A customer's token and a token of another scope are refused, and none at all."""
    statuses = [
        (await send(shop, method, path, body, idempotency_key="k", authorization=given)).status
        for given in (
            "",
            f"Bearer {a_token('c-1')}",
            f"Bearer {a_token('c-1', scopes=['orders:fulfil', 'catalogue', 'catalogue:writer'])}",
            f"Bearer {READER}",
        )
    ]
    assert statuses == [401, 403, 403, readers]
    assert (shop.behind.catalogue.audit, shop.behind.catalogue.done) == ([], {})


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/products/n-1", TERMS | {"stock": 5}, "#/stock"),
        ("/products/n-1", TERMS | {"id": "n-1"}, "#/id"),
        ("/products/n-1", TERMS | {"name": " "}, "#/name"),
        ("/products/n-1", TERMS | {"name": "a\nb"}, "#/name"),
        ("/products/n-1", TERMS | {"name": "a" * 201}, "#/name"),
        ("/products/n-1", TERMS | {"price": -1}, "#/price"),
        ("/products/n-1", TERMS | {"price": 10_000_000_001}, "#/price"),
        ("/products/n-1", TERMS | {"currency": "Krw"}, "#/currency"),
        ("/products/n-1", TERMS | {"sellerId": ""}, "#/sellerId"),
        ("/products/n-1", {"name": "a", "price": 1}, "#/currency"),
        ("/coupons/A", PERCENT | {"value": 101}, "#/value"),
        ("/coupons/A", PERCENT | {"value": 0}, "#/value"),
        ("/coupons/A", PERCENT | {"kind": "Percent"}, "#/kind"),
        ("/coupons/A", PERCENT | {"used": 0}, "#/used"),
        ("/coupons/A", PERCENT | {"minimumSubtotal": 1}, "#/currency"),
        ("/coupons/A", {"kind": "fixed", "value": 1}, "#/currency"),
        ("/coupons/A", PERCENT | {"totalLimit": 0}, "#/totalLimit"),
        ("/coupons/A", PERCENT | {"customerLimit": 2_000_000_001}, "#/customerLimit"),
        ("/coupons/A", PERCENT | {"validFrom": "2027-01-01T00:00:00"}, "#/validFrom"),
        ("/coupons/A", PERCENT | {"validFrom": "0001-01-01T00:00:00+14:00"}, "#/validFrom"),
        ("/coupons/A", PERCENT | {"validUntil": "9999-12-31T23:59:59-14:00"}, "#/validUntil"),
        (
            "/coupons/A",
            PERCENT | {"validFrom": "2027-01-01T00:00:00Z", "validUntil": "2027-01-01T01:00:00+01:00"},
            "#/validUntil",
        ),
    ],
)
async def test_what_breaks_a_rule_is_refused_with_its_place(
    shop: Shop, path: str, body: Any, pointer: str
) -> None:
    """The rules are those of the catalogue file."""
    reply = await send(shop, "PUT", path, body)
    assert (reply.status, reply.problem()["errors"][0]["pointer"]) == (422, pointer)
    assert shop.behind.catalogue.audit == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quantity": 0, "reason": "x"}, "#/quantity"),
        ({"quantity": -2_000_000_001, "reason": "x"}, "#/quantity"),
        ({"quantity": 1, "reason": " "}, "#/reason"),
        ({"quantity": 1, "reason": "a\u202eb"}, "#/reason"),
        ({"quantity": 1, "reason": "a" * 201}, "#/reason"),
        ({"quantity": 1}, "#/reason"),
    ],
)
async def test_a_movement_that_breaks_a_rule_is_refused(shop: Shop, body: Any, pointer: str) -> None:
    reply = await send(shop, "POST", MOVES, body, idempotency_key="k")
    assert (reply.status, reply.problem()["errors"][0]["pointer"]) == (422, pointer)
    assert shop.behind.catalogue.done == {}


@pytest.mark.parametrize("path", ["/products/-1", "/products/a%20b", "/coupons/-A", f"/coupons/{'A' * 33}"])
async def test_an_address_that_nothing_may_have_is_refused(shop: Shop, path: str) -> None:
    reply = await send(shop, "PUT", path, TERMS if "products" in path else PERCENT)
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")


async def test_the_methods_of_an_address_are_told(shop: Shop) -> None:
    """One address has doors for everybody and doors for staff."""
    reply = await send(shop, "DELETE", "/products/p-1")
    assert reply.status == 405
    assert Counter(reply.headers["allow"].split(", ")) >= Counter(["GET", "PUT"])
