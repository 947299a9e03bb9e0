"""Plans of the hot statements on young tables: no statement ever reads all of a table that grows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder, CreateOrder, IdempotencyKey, OrderSearch
from app.domain.coupon import Coupon, CouponKind
from app.domain.errors import PaymentRefusedError
from app.domain.order import Order
from app.persistence.idempotency import SqlIdempotencyKeys
from app.persistence.offers import SqlOfferReader
from app.persistence.queries import SqlOrderReader
from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from kits.postgres.engine import create_engine
from tests.builders import a_command, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop
from tests.integration.app.outbox_pipeline import Pipeline

GROWING = {
    "orders",
    "payments",
    "outbox_event",
    "idempotency_keys",
    "coupon_uses",
    "products",
    "member_replica",
}
# They hold the backlog and nothing else: a bounded part of it may be read.
OF_THE_BACKLOG = {"ix_outbox_event_unpublished", "ix_outbox_event_waiting", "ix_outbox_event_dead"}
# What an index must be asked for, or it is read as a whole: its first column is the same in all rows.
ASKED_FOR = {"uq_outbox_event_aggregate_seq": "aggregate_id"}
SEED = "SELECT count(*) AS count_1 \nFROM public.products"


async def test_a_plan_from_an_empty_table_is_right_for_a_full_one(database_url: str) -> None:
    """A plan is kept until somebody analyses the table, however full it has become."""
    engine = create_engine(database_url, application_name="test", pool_size=1)
    publisher = FakePublisher()
    shop = a_shop(engine, publisher)
    # At once, not after five uses: the plan from the emptiest table.
    await on_the_driver(engine, "SET plan_cache_mode = force_generic_plan")
    limited = Coupon("LIMITED", CouponKind.PERCENT, 10, customer_limit=1000)
    await shop.stock([a_product(stock=1000)], [limited])
    await send(engine, [])
    await live(shop, publisher)
    plans = await kept_plans(engine)
    await engine.dispose()
    assert {name for plan in plans.values() for name in relations(plan)} >= GROWING
    assert {statement: found for statement, plan in plans.items() if (found := list(full_reads(plan)))} == {}


async def live(shop: Shop, publisher: FakePublisher) -> None:
    """Everything that a shop does all the time, once."""
    key = IdempotencyKey("a-key", b"h" * 32)
    keyed = CreateOrder(a_command().order_id, "c-1", a_command().items, "LIMITED", idempotency=key)
    again = CreateOrder(a_command().order_id, "c-1", a_command().items, "LIMITED", idempotency=key)
    refused = CreateOrder(
        a_command().order_id, "c-1", a_command(("none", 1)).items, idempotency=replaced(key)
    )
    placed, other, _, _ = await shop.facade.create_orders([keyed, a_command(), a_command(), refused])
    await shop.facade.create_orders([again])
    assert isinstance(placed, Order)
    assert isinstance(other, Order)
    async with shop.transactions() as uow:
        await uow.orders.find([placed.id])
    async with shop.transactions() as uow:
        await uow.products.lock_free(["p-1"])
        await uow.coupons.lock_free(["LIMITED"])
        await uow.coupons.lock_free_uses([placed.id])
    await shop.life.pay(paying(other, caller_id="psp-1", idempotency=key))
    with pytest.raises(PaymentRefusedError):
        await shop.life.pay(paying(other, "another"))
    await shop.life.cancel(ChangeOrder(placed.id, "c-1"))
    await shop.life.expire_due()
    await SqlIdempotencyKeys(shop.engine).forget_old(limit=10)
    await send(shop.engine, publisher.published)
    named = CreateOrder(a_command().order_id, "c-1", a_command().items, "LIMITED", client_reference="r-1")
    await shop.place(named)
    async with shop.transactions() as uow:
        await uow.orders.lock_free_references([("c-1", "r-1")])
    reader = SqlOrderReader(shop.engine)
    await reader.order(placed.id)
    await reader.search(OrderSearch(limit=10))
    await reader.search(OrderSearch(limit=10, customer_id="c-1", before=placed.id))
    await reader.search(OrderSearch(limit=10, caller_id="c-1", key=key.key))
    await reader.search(OrderSearch(limit=10, reference="r-1", before=placed.id))
    await reader.product("p-1")
    await reader.products(after=None, limit=10)
    await SqlOfferReader(shop.engine).offer(named, with_open_orders=True)


def replaced(key: IdempotencyKey) -> IdempotencyKey:
    return IdempotencyKey(f"{key.key}-2", key.request_hash)


async def send(engine: AsyncEngine, claims: list[Claim]) -> None:
    """The outbox's own statements; retention, which is rare, apart."""
    store = Pipeline(engine).store
    await store.renew(claims)
    await store.settle([Settlement(each, Result(Kind.DONE, written=(0, 1))) for each in claims[1:]])
    await store.settle([Settlement(claim) for claim in claims[:1]])
    await store.claim(limit=10, max_bytes=10_000)
    await store.backlog()


async def kept_plans(engine: AsyncEngine) -> dict[str, Any]:
    """The plans that the pool's one connection keeps, by statement."""
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        kept = await driver.fetch(
            "SELECT name, statement, cardinality(parameter_types) AS parameters FROM pg_prepared_statements"
        )
        plans = {}
        for name, statement, parameters in kept:
            if SEED in statement or not any(table in statement for table in GROWING):
                continue
            values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
            told = await driver.fetchval(f'EXPLAIN (FORMAT JSON) EXECUTE "{name}"{values}')
            plans[statement] = json.loads(told)[0]["Plan"] if isinstance(told, str) else told[0]["Plan"]
        return plans


async def on_the_driver(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(statement)


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def relations(plan: Any) -> set[str]:
    return {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node}


def full_reads(plan: Any, *, is_bounded: bool = False) -> Iterator[str]:
    """Scans of a growing table, or of all of an index, and joins that need one."""
    kind, index = plan["Node Type"], plan.get("Index Name", "")
    asked = plan.get("Index Cond", "")
    if kind == "Seq Scan" and plan["Relation Name"] in GROWING:
        yield f"{kind} on {plan['Relation Name']}"
    if index in OF_THE_BACKLOG:
        if not is_bounded:
            yield f"{kind} of {index} without a bound"
    elif ("Index" in kind and ASKED_FOR.get(index, "") not in asked) or ("Index" in kind and not asked):
        yield f"{kind} of all of {index}"
    for below in plan.get("Plans", ()):
        yield from full_reads(below, is_bounded=(is_bounded and kind != "Nested Loop") or kind == "Limit")
