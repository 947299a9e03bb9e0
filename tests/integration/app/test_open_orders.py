"""How many unpaid orders of one customer may hold stock at a time."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder, CreateOrder
from app.application.order_intake import OrderIntake
from app.domain.errors import TooManyOpenOrdersError
from app.domain.order import Order
from app.persistence.orders import _COUNT_PENDING
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from tests.builders import a_command, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop
from tests.waiting import eventually

LIMIT = 50


@pytest.fixture
async def limited(engine: AsyncEngine) -> Shop:
    """A shop with the limit."""
    shop = a_shop(engine, FakePublisher(), max_open_orders=LIMIT)
    await shop.stock([a_product(stock=10_000)])
    return shop


def intake_of(shop: Shop) -> OrderIntake:
    """The door of one process."""
    return OrderIntake(shop.facade.create_orders, one_batch_per_customer=True)


async def outcomes_of(intake: OrderIntake, commands: list[CreateOrder]) -> list[type]:
    """All at once."""
    done = await asyncio.gather(*map(intake.create_order, commands), return_exceptions=True)
    return [type(one) for one in done]


async def test_of_two_hundred_orders_at_once_exactly_the_limit_is_placed(limited: Shop) -> None:
    """However they fall into transactions; other customers, between them, notice nothing."""
    commands = [a_command() for _ in range(200)]
    for place in range(0, 300, 3):
        commands.insert(place, a_command(customer=f"n-{place}"))
    outcomes = await outcomes_of(intake_of(limited), commands)
    mine = [
        outcome for outcome, command in zip(outcomes, commands, strict=True) if command.customer_id == "c-1"
    ]
    assert (mine.count(Order), mine.count(TooManyOpenOrdersError)) == (LIMIT, 150)
    assert outcomes.count(Order) == LIMIT + 100
    assert await limited.rows("SELECT stock FROM products") == [(10_000 - LIMIT - 100,)]


async def test_two_processes_exceed_the_limit_by_one_batch_at_most(limited: Shop, database_url: str) -> None:
    """The second one's transaction may not see the first one's orders yet."""
    engine = create_engine(database_url, application_name="test", pool_size=5)
    other = a_shop(engine, FakePublisher(), max_open_orders=LIMIT)
    outcomes = await asyncio.gather(
        *(outcomes_of(intake_of(shop), [a_command() for _ in range(150)]) for shop in (limited, other))
    )
    placed = sum(of_one.count(Order) for of_one in outcomes)
    assert LIMIT <= placed <= LIMIT + 64
    assert await outcomes_of(intake_of(other), [a_command()]) == [TooManyOpenOrdersError]
    await engine.dispose()


async def test_members_of_one_batch_count_each_other_and_ended_orders_do_not(limited: Shop) -> None:
    """Paid, cancelled or expired: a place is free again, and a refused order gives its key back."""
    outcomes = await limited.facade.create_orders([a_command() for _ in range(LIMIT + 1)])
    assert [type(one) for one in outcomes] == [Order] * LIMIT + [TooManyOpenOrdersError]
    first, second = (order for order in outcomes[:2] if isinstance(order, Order))
    await limited.life.pay(paying(first))
    await limited.life.cancel(ChangeOrder(second.id, "c-1"))
    outcomes = await limited.facade.create_orders([a_command() for _ in range(3)])
    assert [type(one) for one in outcomes] == [Order, Order, TooManyOpenOrdersError]


async def test_without_the_limit_nothing_is_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off costs no statement."""
    monkeypatch.setattr("app.persistence.orders._COUNT_PENDING", None)
    await shop.stock([a_product(stock=100)])
    outcomes = await shop.facade.create_orders([a_command() for _ in range(60)])
    assert {type(one) for one in outcomes} == {Order}


async def test_unpaid_orders_are_counted_by_their_index_from_the_first_one_on(limited: Shop) -> None:
    """The plan that a young, empty table is given is the one that a full one needs."""
    generic = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
    async with limited.engine.begin() as connection:
        for setting in generic.split(";"):
            await connection.execute(text(setting))
        await connection.execute(text(f"PREPARE counting AS {_COUNT_PENDING.text}"))
        told = await connection.execute(text("EXPLAIN EXECUTE counting('{c-1}')"))
        plan = "\n".join(line for (line,) in told)
    assert "Index Only Scan using ix_orders_pending_customer_id" in plan
    assert "Index Cond: (customer_id = ANY" in plan


async def test_the_index_is_built_beside_writers_and_anew_when_it_was_cut_short(
    database_url: str, engine: AsyncEngine, shop: Shop
) -> None:
    """On a table in use; a second `migrate` finds it."""
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_orders_pending_customer_id')"
    await shop.stock([a_product()])
    old = await asyncpg.connect(database_url)
    cut_short = "UPDATE pg_index SET indisvalid = false"
    await old.execute(valid.replace("SELECT indisvalid FROM pg_index", cut_short))
    transaction = old.transaction()
    await transaction.start()
    await old.execute("UPDATE products SET name = name; LOCK TABLE orders IN ROW EXCLUSIVE MODE")
    migrating = [asyncio.create_task(History("app").migrate(engine)) for _ in range(2)]
    await eventually(lambda: shop.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY%'"))
    await old.execute("SAVEPOINT writers_go_on")
    assert not any(each.done() for each in migrating)
    await transaction.rollback()
    assert isinstance(await shop.place(a_command()), Order)
    assert await asyncio.gather(*migrating) == [History("app").head()] * 2
    assert await shop.rows(valid) == [(True,)]
    await old.close()
