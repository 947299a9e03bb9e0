"""Many orders at once through two intakes on one database, as two API processes are."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import asyncpg
import pytest
import structlog

from app.application.commands import ChangeOrder, CreateOrder, ReplayedOrder
from app.application.errors import StorageBusyError
from app.application.order_intake import OrderIntake
from app.domain.errors import CouponExhaustedError, InvalidTransitionError, OrderError, OutOfStockError
from app.domain.order import Order
from kits.postgres.engine import create_engine
from tests.builders import a_command, a_coupon, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop

T = TypeVar("T")
Command = TypeVar("Command")

ORDERS = 10_000
CLIENTS = 128
PRODUCTS = [f"p-{number}" for number in range(30)]
STOCK = 1_500


@pytest.fixture(autouse=True)
def few_words() -> Iterator[None]:
    """Two lines for every order are too much to read."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.reset_defaults()


@dataclass(frozen=True, slots=True)
class Door:
    """One of the processes: a shop with connections of its own, behind its intake."""

    shop: Shop
    intake: OrderIntake

    async def order(self, command: CreateOrder) -> Order | OrderError:
        """What becomes of the command."""
        try:
            placed = await self.intake.create_order(command)
        except OrderError as refusal:
            return refusal
        return placed.order if isinstance(placed, ReplayedOrder) else placed


@pytest.fixture
async def doors(database_url: str) -> AsyncIterator[list[Door]]:
    """Two processes; what the second one sells expires soon."""
    opened = []
    for time_to_live in (timedelta(minutes=15), timedelta(seconds=1)):
        engine = create_engine(database_url, application_name="test", pool_size=10)
        shop = a_shop(engine, FakePublisher(), time_to_live=time_to_live)
        opened.append(Door(shop, OrderIntake(shop.facade.create_orders)))
    yield opened
    for door in opened:
        await door.shop.engine.dispose()


async def at_once(doors: Sequence[Door], commands: Sequence[CreateOrder]) -> list[Order | OrderError]:
    """The outcomes of commands that reach the doors in turn, all in one moment."""
    return await asyncio.gather(
        *(doors[number % len(doors)].order(command) for number, command in enumerate(commands))
    )


async def insisting(work: Callable[[Command], Awaitable[T]], command: Command) -> T:
    """Try again what found no lock in time: on a busy machine the other process stands still with its own."""
    while True:
        with suppress(StorageBusyError):
            return await work(command)


def refusals(outcomes: Sequence[Order | OrderError]) -> Counter[tuple[type, object]]:
    """How often each refusal was given, with what it says is available."""
    return Counter((type(one), one.facts.get("available")) for one in outcomes if isinstance(one, OrderError))


async def test_the_last_ten_pieces_are_sold_to_ten_of_two_hundred_customers(doors: list[Door]) -> None:
    """The others are told that nothing is left."""
    shop = doors[0].shop
    await shop.stock([a_product(stock=10)])
    outcomes = await at_once(doors, [a_command(customer=f"c-{number}") for number in range(200)])
    assert refusals(outcomes) == {(OutOfStockError, 0): 190}
    assert await shop.rows("SELECT stock FROM products") == [(0,)]
    assert await shop.rows("SELECT count(*) FROM orders") == [(10,)]


async def test_who_asks_for_more_than_is_left_is_told_how_much_that_is(doors: list[Door]) -> None:
    """Pairs out of an odd number: the last piece stays, and every refusal says so."""
    shop = doors[0].shop
    await shop.stock([a_product(stock=11)])
    outcomes = await at_once(doors, [a_command(("p-1", 2)) for _ in range(60)])
    assert refusals(outcomes) == {(OutOfStockError, 1): 55}
    assert await shop.rows("SELECT stock FROM products") == [(1,)]


async def test_a_coupon_for_one_use_is_used_once(doors: list[Door]) -> None:
    """By one of a hundred customers; the others' orders are refused as they stand."""
    shop = doors[0].shop
    await shop.stock([a_product(stock=1_000)], [a_coupon("ONE", total_limit=1)])
    outcomes = await at_once(doors, [a_command(coupon="ONE", customer=f"c-{n}") for n in range(100)])
    assert refusals(outcomes) == {(CouponExhaustedError, None): 99}
    assert await shop.rows("SELECT used, (SELECT count(*) FROM coupon_uses) FROM coupons") == [(1, 1)]
    assert await shop.rows("SELECT stock FROM products") == [(999,)]


async def test_a_customer_uses_a_coupon_no_more_often_than_allowed(doors: list[Door]) -> None:
    """Each of ten customers orders ten times at once, two uses are theirs."""
    shop = doors[0].shop
    await shop.stock([a_product(stock=1_000)], [a_coupon("TWO-EACH", customer_limit=2)])
    outcomes = await at_once(
        doors, [a_command(coupon="TWO-EACH", customer=f"c-{number // 10}") for number in range(100)]
    )
    assert refusals(outcomes) == {(CouponExhaustedError, None): 80}
    uses = await shop.rows("SELECT customer_id, count(*) FROM coupon_uses GROUP BY 1 ORDER BY 1")
    assert uses == [(f"c-{customer}", 2) for customer in range(10)]


async def test_ten_thousand_orders_in_any_order_never_deadlock_and_no_piece_is_lost(
    doors: list[Door], postgres_server_url: str, database_url: str
) -> None:
    """Three random products each, some paid, some cancelled, half of the rest expiring all the while."""
    seed = random.randrange(2**32)  # noqa: S311
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)  # noqa: S311
    shop = doors[0].shop
    await shop.stock([a_product(product, stock=STOCK) for product in PRODUCTS])
    outcomes: Counter[type] = Counter()
    waiting = iter(range(ORDERS))

    async def client(number: int) -> None:
        door, other = doors[number % 2], doors[rng.randrange(2)]
        for _ in waiting:
            items = [(product, rng.randint(1, 3)) for product in rng.sample(PRODUCTS, 3)]
            outcome = await insisting(door.order, a_command(*items))
            outcomes[type(outcome)] += 1
            if isinstance(outcome, Order) and rng.random() < 0.15:
                life = other.shop.life
                # It may have expired a moment ago.
                with suppress(InvalidTransitionError):
                    if rng.random() < 0.5:
                        await insisting(life.pay, paying(outcome))
                    else:
                        await insisting(life.cancel, ChangeOrder(outcome.id, "c-1"))

    async def expire(door: Door) -> None:
        while not all_ordered.is_set() or await door.shop.life.expire_due():
            await door.shop.life.expire_due()

    all_ordered = asyncio.Event()
    expiring = [asyncio.create_task(expire(door)) for door in doors]
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    all_ordered.set()
    await asyncio.gather(*expiring)

    assert outcomes.total() == ORDERS
    assert set(outcomes) <= {Order, OutOfStockError}
    statuses = dict(await shop.rows("SELECT status, count(*) FROM orders GROUP BY 1"))
    assert set(statuses) >= {"PENDING", "PAID", "CANCELLED", "EXPIRED"}, statuses
    assert sum(statuses.values()) == outcomes[Order]
    lost = await shop.rows(
        "SELECT id, stock, held FROM products LEFT JOIN ("
        " SELECT line ->> 'product_id' AS id, sum((line ->> 'quantity')::int) AS held"
        " FROM orders, jsonb_array_elements(lines) AS line WHERE status IN ('PENDING', 'PAID') GROUP BY 1"
        ") AS sold USING (id) WHERE stock + coalesce(held, 0) <> :stock OR stock < 0",
        stock=STOCK,
    )
    assert lost == []
    await no_deadlock(doors, postgres_server_url, database_url)


async def no_deadlock(doors: list[Door], server_url: str, database_url: str) -> None:
    """Fails when PostgreSQL has counted one; it counts for certain when the connections have ended."""
    for door in doors:
        await door.shop.engine.dispose()
    connection = await asyncpg.connect(server_url)
    name = database_url.rpartition("/")[2]
    counted = await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = $1", name)
    await connection.close()
    assert counted == 0
