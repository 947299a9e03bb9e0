"""GET /orders and GET /orders/{id} over a real socket: customers see their own, staff see everybody's."""

from datetime import UTC, datetime

import pytest

from app.domain.order import OrderStatus
from tests.integration.api.conftest import Shop
from tests.unit.api.in_memory_shop import a_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = b'{"items":[{"productId":"p-1","quantity":2}]}'
STAFF = f"Bearer {a_token('staff', scopes=['orders:read'])}"
OTHER = f"Bearer {a_token('c-2')}"


async def placed(shop: Shop, body: bytes = ORDER, **headers: str) -> str:
    """The id of a new order."""
    order_id: str = (await shop.order(body, **headers)).json["orderId"]
    return order_id


async def listed(shop: Shop, query: str = "", **headers: str) -> list[str]:
    """The ids on the first page."""
    reply = await shop.get(f"/orders{query}", **headers)
    assert reply.status == 200, reply.body
    return [order["orderId"] for order in reply.json["items"]]


async def test_staff_see_the_orders_of_everybody_and_whose_they_are(shop: Shop) -> None:
    mine, other = await placed(shop), await placed(shop, authorization=OTHER)
    assert await listed(shop, authorization=STAFF) == [other, mine]
    assert await listed(shop, "?customer=c-2", authorization=STAFF) == [other]
    assert await listed(shop, "?customer=nobody", authorization=STAFF) == []
    shown = await shop.get(f"/orders/{other}", authorization=STAFF)
    assert (shown.status, shown.json["customerId"], shown.headers["etag"]) == (200, "c-2", '"1"')
    page = await shop.get("/orders?limit=1", authorization=STAFF)
    assert page.json["items"] == [shown.json]


async def test_customers_see_their_own_alone(shop: Shop) -> None:
    """Their bodies are as ever, and they may not ask for somebody's, be it themselves."""
    mine, other = await placed(shop), await placed(shop, authorization=OTHER)
    assert await listed(shop) == [mine]
    assert "customerId" not in (await shop.get(f"/orders/{mine}")).json
    assert (await shop.get(f"/orders/{other}")).problem()["code"] == "order_not_found"
    for customer in ("c-1", "c-2"):
        reply = await shop.get(f"/orders?customer={customer}")
        assert (reply.status, reply.problem()["code"], reply.json["scope"]) == (
            403,
            "forbidden",
            "orders:read",
        )
    assert [search.customer_id for search in shop.behind.searches] == ["c-1"]


async def test_orders_are_searched_by_where_they_stand_and_what_they_are_of(shop: Shop) -> None:
    first, second = (
        await placed(shop),
        await placed(shop, b'{"items":[{"productId":"p-2","quantity":1}]}'),
    )
    shop.behind.orders[first] = shop.behind.orders[first].moved_to(OrderStatus.CANCELLED, now=shop.behind.now)
    assert await listed(shop, "?status=CANCELLED") == [first]
    assert await listed(shop, "?product=p-2") == [second]
    assert await listed(shop, "?product=p-2&status=CANCELLED") == []


async def test_times_are_moments_with_an_offset(shop: Shop) -> None:
    await listed(shop, "?from=2026-11-21T07:00:00.5%2B09:00&to=2026-11-21T07:00:00Z")
    (search,) = shop.behind.searches
    assert search.since == datetime(2026, 11, 20, 22, 0, 0, 500_000, tzinfo=UTC)
    assert search.until == datetime(2026, 11, 21, 7, tzinfo=UTC)


async def test_after_an_unknown_outcome_the_key_leads_to_the_order(shop: Shop) -> None:
    mine = await placed(shop, idempotency_key="k-1")
    await placed(shop)
    assert await listed(shop, "?idempotencyKey=k-1") == [mine]
    assert await listed(shop, "?idempotencyKey=k-2") == []
    assert await listed(shop, "?idempotencyKey=k-1", authorization=OTHER) == []


async def test_a_reference_leads_to_its_order(shop: Shop) -> None:
    """The customer's own; for staff, that of each customer."""
    body = ORDER[:-1] + b',"clientReference":"cart-1"}'
    mine, other = await placed(shop, body), await placed(shop, body, authorization=OTHER)
    await placed(shop)
    assert await listed(shop, "?reference=cart-1") == [mine]
    assert await listed(shop, "?reference=cart-1", authorization=STAFF) == [other, mine]
    assert await listed(shop, "?reference=cart-2") == []


async def test_the_cursor_goes_by_either_name_and_by_one_of_them(shop: Shop) -> None:
    ids = [await placed(shop) for _ in range(3)]
    following = (await shop.get("/orders?limit=2")).json["next"]
    assert await listed(shop, f"?after={following}") == await listed(shop, f"?cursor={following}") == ids[:1]
    reply = await shop.get(f"/orders?after={following}&cursor={following}")
    assert [error["parameter"] for error in reply.problem()["errors"]] == ["cursor"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=paid", "status"),
        ("status=", "status"),
        ("status=PAID%20", "status"),
        ("from=2026-11-21", "from"),
        ("from=2026-11-21T07:00:00", "from"),
        ("from=2026-11-21T07:00:00+09:00", "from"),
        ("to=1763708400", "to"),
        ("to=", "to"),
        ("to=0001-01-01T00:00:00%2B01:00", "to"),
        ("from=2026-11-21T07:00:01Z&to=2026-11-21T07:00:00Z", "from"),
        ("product=", "product"),
        ("product=-", "product"),
        ("reference=", "reference"),
        ("reference=a%20b", "reference"),
        ("reference=" + "a" * 65, "reference"),
        ("idempotencyKey=", "idempotencyKey"),
        ("idempotencyKey=a%20b", "idempotencyKey"),
        ("idempotency_key=a", "idempotency_key"),
        ("customer=", "customer"),
        ("customer=" + "c" * 256, "customer"),
        ("after=", "after"),
        ("after=cC0x", "after"),
        ("cursor=cC0x", "cursor"),
        ("since=2026-11-21T07:00:00Z", "since"),
    ],
)
async def test_a_search_that_breaks_a_rule_names_its_parameter(
    shop: Shop, query: str, parameter: str
) -> None:
    for authorization in (STAFF, f"Bearer {shop.token}"):
        reply = await shop.get(f"/orders?{query}", authorization=authorization)
        assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
        assert [error["parameter"] for error in reply.json["errors"]] == [parameter]
    assert shop.behind.searches == []
