"""POST /orders/quote over a real socket."""

import json

import pytest

from app.application.errors import StorageUnavailableError
from tests.integration.api.conftest import Shop
from tests.integration.api.raw import Reply, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def quote(shop: Shop, *items: tuple[str, int], coupon: str | None = None) -> Reply:
    """Ask as the customer."""
    body = {"items": [{"productId": product, "quantity": pieces} for product, pieces in items]}
    if coupon:
        body["couponCode"] = coupon  # type: ignore[assignment]
    named = {"content_type": "application/json", "authorization": f"Bearer {shop.token}"}
    return await shop.send(message("POST", "/orders/quote", json.dumps(body).encode(), **named))


async def test_a_quote_shows_lines_amounts_and_what_is_there(shop: Shop) -> None:
    """Items are merged as in an order, and a coupon's spelling does not matter."""
    reply = await quote(shop, ("p-2", 1), ("p-1", 2), ("p-2", 1), coupon=" welcome10 ")
    assert reply.status == 200
    assert reply.json == {
        "orderable": True,
        "currency": "KRW",
        "subtotal": 60_000,
        "discount": 6_000,
        "total": 54_000,
        "lines": [
            {
                "productId": name,
                "name": f"Product {name}",
                "unitPrice": 15_000,
                "quantity": 2,
                "lineTotal": 30_000,
                "available": 100,
                "enough": True,
            }
            for name in ("p-2", "p-1")
        ],
        "coupon": {"code": "WELCOME10", "applicable": True, "reason": None},
        "problems": [],
    }
    assert (shop.behind.commands, shop.behind.orders) == ([], {})


async def test_what_stands_against_the_order_is_data_with_the_codes_of_its_refusals(shop: Shop) -> None:
    shop.behind.products_by_id["p-1"].stock = 1
    reply = await quote(shop, ("p-1", 2), ("p-2", 101), coupon="NOPE")
    reason = {"code": "coupon_not_found", "detail": "There is no coupon NOPE.", "coupon": "NOPE"}
    assert (reply.status, reply.json["orderable"], reply.json["discount"]) == (200, False, 0)
    assert reply.json["coupon"] == {"code": "NOPE", "applicable": False, "reason": reason}
    assert reply.json["problems"] == [
        {
            "code": "out_of_stock",
            "detail": f"Product {name} has only {left} left.",
            "product": name,
            "available": left,
        }
        for name, left in (("p-1", 1), ("p-2", 100))
    ] + [reason]
    assert [(line["available"], line["enough"]) for line in reply.json["lines"]] == [(1, False), (100, False)]
    assert reply.json["total"] == 103 * 15_000


async def test_too_many_unpaid_orders_stand_against_another_one(shop: Shop) -> None:
    for _ in range(3):
        await shop.order(b'{"items":[{"productId":"p-1","quantity":1}]}')
    reply = await quote(shop, ("p-1", 1))
    assert reply.json["coupon"] is None
    ((code, limit),) = [(one["code"], one["limit"]) for one in reply.json["problems"]]
    assert (reply.status, code, limit) == (200, "too_many_open_orders", 3)


async def test_what_can_never_be_an_order_is_refused_as_the_order_is(shop: Shop) -> None:
    shop.behind.products_by_id["p-2"].currency = "EUR"
    wrong: list[tuple[tuple[tuple[str, int], ...], str]] = [
        ((("p-9", 1),), "unknown_product"),
        ((("p-1", 1), ("p-2", 1)), "mixed_currencies"),
        ((("p-1", 600), ("p-1", 600)), "invalid_request"),
        ((), "invalid_request"),
    ]
    for items, code in wrong:
        reply = await quote(shop, *items)
        assert (reply.status, reply.problem()["code"]) == (422, code)


async def test_a_quote_needs_a_token_and_a_database(shop: Shop) -> None:
    stranger = await shop.send(message("POST", "/orders/quote", b"{}", content_type="application/json"))
    assert (stranger.status, stranger.problem()["code"]) == (401, "unauthenticated")
    shop.behind.failure = StorageUnavailableError("The database is away.")
    assert (await quote(shop, ("p-1", 1))).problem()["code"] == "storage_unavailable"
