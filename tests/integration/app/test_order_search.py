"""Orders are searched on a real database: every page is right, and none costs more than its bound."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder, CreateOrder, IdempotencyKey, OrderSearch
from app.domain.order import Order, OrderStatus
from app.persistence.order_search import LOOKED_AT
from app.persistence.queries import SqlOrderReader
from tests.builders import a_command, a_product
from tests.integration.app.conftest import Shop

MANY = 60_000
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
# One of three customers has few orders, the oldest; the first of the other names is hard to estimate.
FILL = """
INSERT INTO orders (
    id, customer_id, status, version, client_reference, currency, subtotal, discount, total, lines,
    created_at, expires_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
    CASE WHEN n < 600 THEN 'a' WHEN n % 2 = 0 THEN 'b' ELSE 'm' END,
    CASE WHEN n % 10000 = 1 THEN 'FULFILLED' ELSE 'CANCELLED' END,
    2, CASE WHEN n % 10 = 0 THEN 'r-' || n END, 'KRW', 5, 0, 5,
    '[{"product_id": "p-1", "name": "Thing", "unit_price": 5, "quantity": 1}]', at, at
FROM (
    SELECT n, CAST(:first AS timestamptz) + n * interval '10 seconds' AS at
    FROM generate_series(0, :many - 1) AS n
) AS born
"""


@pytest.fixture
async def full(shop: Shop) -> AsyncEngine:
    """A database with many orders."""
    async with shop.engine.begin() as connection:
        await connection.execute(text(FILL), {"first": FIRST, "many": MANY})
        await connection.execute(text("ANALYZE orders"))
    return shop.engine


async def pages(engine: AsyncEngine, **asked: Any) -> list[list[Order]]:
    """All of them."""
    reader = SqlOrderReader(engine)
    found: list[list[Order]] = []
    before: str | None = None
    while not found or before is not None:
        page = await reader.search(OrderSearch(**{"limit": 100, **asked, "before": before}))
        found.append(page.orders)
        before = page.next_before
    return found


def born(number: int) -> str:
    """The id of one of the many."""
    milliseconds = int((FIRST + number * timedelta(seconds=10)).timestamp() * 1000)
    return str(UUID(f"{milliseconds:012x}70008{number:015x}"))


def ids(found: list[list[Order]]) -> list[str]:
    return [order.id for page in found for order in page]


async def explained(engine: AsyncEngine, **asked: Any) -> Any:
    """The plan of one page, as it was carried out."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await SqlOrderReader(engine).search(OrderSearch(**{"limit": 20, **asked}))
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    (setting, _), (statement, parameters) = sent
    async with engine.connect() as connection:
        await connection.exec_driver_sql(setting)
        told = await connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", tuple(parameters)
        )
        plan = told.scalar_one()
    return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


SEARCHES: list[dict[str, Any]] = [
    {},
    {"status": OrderStatus.PENDING},
    {"status": OrderStatus.FULFILLED},
    {"product_id": "p-9"},
    {"customer_id": "b"},
    {"customer_id": "m", "status": OrderStatus.PAID},
    {"customer_id": "b", "product_id": "p-9"},
    {"customer_id": "a"},
    {"customer_id": "nobody"},
    {"reference": "r-50"},
    {"reference": "r-50", "before": born(30_000)},
    {"reference": "r-30000", "customer_id": "b"},
    {"before": born(30_000), "product_id": "p-9"},
    {"before": born(30_000), "customer_id": "b", "product_id": "p-9"},
    {"since": FIRST + timedelta(hours=5), "until": FIRST + timedelta(hours=6)},
    {"until": FIRST + timedelta(hours=100), "status": OrderStatus.PAID},
    {"customer_id": "m", "since": FIRST, "until": FIRST + timedelta(hours=50)},
]


async def test_a_page_looks_at_a_bounded_number_of_orders_whatever_is_searched(full: AsyncEngine) -> None:
    """By an index, in its order, rows and buffers: a full table of any size costs no more."""
    for asked in SEARCHES:
        plan = await explained(full, **asked)
        kinds = {node["Node Type"] for node in nodes(plan)}
        assert kinds <= {"Limit", "Subquery Scan", "WindowAgg", "Index Scan", "Result"}, (asked, kinds)
        for node in nodes(plan):
            if node.get("Relation Name") == "orders":
                assert node["Actual Rows"] <= LOOKED_AT, asked
                assert node.get("Rows Removed by Filter", 0) == 0, asked
        # Each order in a block of its own, and the index that leads to them.
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 2 * LOOKED_AT + 100, asked
    for asked in ({}, {"customer_id": "b"}):
        assert max(node["Actual Rows"] for node in nodes(await explained(full, **asked))) == 21
    by_key = await explained(full, caller_id="c-1", key="k-1")
    assert by_key["Shared Hit Blocks"] + by_key["Shared Read Blocks"] < 20


async def test_following_the_pages_finds_each_order_once(full: AsyncEngine) -> None:
    """Rare ones too, over pages that are empty; the ends of a time are exact."""
    rare = await pages(full, status=OrderStatus.FULFILLED)
    assert len(ids(rare)) == MANY // 10_000
    assert len(rare) >= MANY // LOOKED_AT
    assert [] in rare
    assert len(ids(await pages(full, customer_id="a"))) == 600
    assert await pages(full, customer_id="a", product_id="p-9") == [[]]
    hour = {"since": FIRST + timedelta(hours=5), "until": FIRST + timedelta(hours=6)}
    found = await pages(full, **hour)
    assert len(ids(found)) == len(set(ids(found))) == 360
    assert ids(found) == sorted(ids(found), reverse=True)
    moments = [order.created_at for page in found for order in page]
    assert (moments[-1], moments[0]) == (hour["since"], hour["until"] - timedelta(seconds=10))


async def test_times_beyond_all_orders_find_none_or_all(shop: Shop) -> None:
    """The calendar's own ends are times like others."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert ids(await pages(shop.engine, since=first, until=last)) == [order.id]
    assert ids(await pages(shop.engine, until=first)) == []
    assert ids(await pages(shop.engine, since=last)) == []
    moment = order.created_at
    assert ids(await pages(shop.engine, since=moment, until=moment + timedelta(milliseconds=1))) == [order.id]
    assert ids(await pages(shop.engine, since=moment, until=moment)) == []


async def test_orders_are_found_by_status_product_and_customer_together(shop: Shop) -> None:
    """What is placed meanwhile shifts no page."""
    await shop.stock([a_product("p-1"), a_product("p-2")])
    mine = [await shop.place(a_command(("p-1", 1), ("p-2", 1))) for _ in range(3)]
    await shop.place(a_command(("p-1", 1)))
    await shop.place(a_command(("p-2", 1), customer="c-2"))
    await shop.life.cancel(ChangeOrder(mine[1].id, "c-1"))
    asked = {"customer_id": "c-1", "product_id": "p-2", "status": OrderStatus.PENDING}
    reader = SqlOrderReader(shop.engine)
    page = await reader.search(OrderSearch(limit=1, **asked))  # type: ignore[arg-type]
    assert [order.id for order in page.orders] == [mine[2].id]
    await shop.place(a_command(("p-2", 1)))
    rest = await reader.search(OrderSearch(limit=1, before=page.next_before, **asked))  # type: ignore[arg-type]
    assert ([order.id for order in rest.orders], rest.next_before) == ([mine[0].id], None)
    assert len(ids(await pages(shop.engine, product_id="p-2"))) == 5


async def test_a_reference_finds_its_order_and_for_staff_one_of_each_customer(shop: Shop) -> None:
    """Page by page too, whatever is placed meanwhile."""
    await shop.stock([a_product()])
    placed = {
        name: await shop.place(a_command(customer=name, reference="r-1")) for name in ("c-2", "c-3", "c-1")
    }
    await shop.place(a_command(reference="r-2"))
    await shop.place(a_command())
    found = ids(await pages(shop.engine, limit=1, reference="r-1"))
    assert found == [placed[name].id for name in ("c-3", "c-2", "c-1")]
    assert ids(await pages(shop.engine, reference="r-1", customer_id="c-2")) == [placed["c-2"].id]
    for nothing in (
        {"reference": "r-9"},
        {"reference": "r-2", "customer_id": "c-2"},
        {"reference": "r-1", "status": OrderStatus.PAID},
        {"reference": "r-1", "until": placed["c-2"].created_at},
        {"reference": "r-1", "caller_id": "c-1", "key": "k-1"},
    ):
        assert ids(await pages(shop.engine, **nothing)) == []


async def test_after_an_unknown_outcome_the_key_finds_the_order_it_has_made(shop: Shop) -> None:
    """For who sent it, at that door; a key without an order finds none."""
    await shop.stock([a_product(stock=1)])
    placed, refused = (
        CreateOrder(
            a_command().order_id, "c-1", a_command().items, idempotency=IdempotencyKey(key, b"h" * 32)
        )
        for key in ("k-1", "k-2")
    )
    order = await shop.place(placed)
    await shop.facade.create_orders([refused])
    await shop.life.cancel(
        ChangeOrder(order.id, "c-1", caller_id="c-1", idempotency=IdempotencyKey("k-3", b"h" * 32))
    )
    assert ids(await pages(shop.engine, customer_id="c-1", caller_id="c-1", key="k-1")) == [order.id]
    for caller, key, more in (
        ("c-1", "k-2", {}),
        ("c-1", "k-3", {}),
        ("c-2", "k-1", {}),
        ("c-1", "k-1", {"customer_id": "c-2"}),
        ("c-1", "k-1", {"status": OrderStatus.PAID}),
    ):
        assert ids(await pages(shop.engine, caller_id=caller, key=key, **more)) == []
