"""Another session holds one row: who names it waits and is refused; nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.catalogue_import import CatalogueImport, ImportRequest
from app.application.catalogue_ports import StockMovement
from app.application.commands import ChangeOrder, CreateOrder, IdempotencyKey
from app.application.errors import IdempotencyKeyInUseError, LockWaitError, RowHeldError, StorageBusyError
from app.application.held_rows import HeldRows
from app.application.order_intake import OrderIntake
from app.application.order_turns import OrderTurns
from app.application.stock_keeping import StockKeeping
from app.domain.order import Order
from app.persistence.catalogue_work import SqlCatalogueTransactions
from kits.postgres.engine import _SESSION, create_engine
from tests.builders import a_command, a_coupon, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop
from tests.waiting import eventually

HOLD_PRODUCT = "UPDATE products SET name = name WHERE id = 'p-1'"
HOLD_COUPON = "UPDATE coupons SET used = used WHERE code = 'WELCOME10'"
HOLD_NEW_KEY = (
    "INSERT INTO idempotency_keys (customer_id, route, key, request_hash, order_id)"
    " VALUES ('c-1', 'POST /orders', 'k-1', 'x', gen_random_uuid())"
)
KEY = IdempotencyKey("k-1", b"body")

Hold = Callable[[str], Awaitable[Any]]


@pytest.fixture
async def hold(database_url: str) -> AsyncIterator[Hold]:
    """Runs a statement in a foreign transaction, and gives back how to end it."""
    connections: list[asyncpg.Connection] = []

    async def begin(statement: str) -> Callable[[], Awaitable[None]]:
        connection = await asyncpg.connect(database_url)
        connections.append(connection)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)

        async def release() -> None:
            await transaction.rollback()

        return release

    yield begin
    for connection in connections:
        await connection.close()


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    """Thirty products, one coupon."""
    await shop.stock([a_product(f"p-{number}", stock=1_000) for number in range(30)], [a_coupon()])
    return shop


def intake_of(shop: Shop, **options: Any) -> OrderIntake:
    """The door of this shop; who is refused is refused soon."""
    values = {"lane_seconds": 0.3, **options}
    return OrderIntake(shop.facade.create_orders, HeldRows(shop.transactions), **values)


def neighbours(count: int = 20) -> list[CreateOrder]:
    """Orders that have nothing to do with what is held."""
    return [a_command((f"p-{2 + number % 28}", 1), customer=f"n-{number}") for number in range(count)]


async def order_all(intake: OrderIntake, commands: Sequence[CreateOrder]) -> list[Any]:
    """All at once."""
    return await asyncio.gather(*map(intake.create_order, commands), return_exceptions=True)


async def stored_of(shop: Shop, *customers: str) -> int:
    """How many orders and keys these customers have."""
    count = (
        "SELECT (SELECT count(*) FROM orders WHERE customer_id = ANY(:of))"
        " + (SELECT count(*) FROM idempotency_keys WHERE customer_id = ANY(:of))"
    )
    ((found,),) = await shop.rows(count, of=list(customers))
    return int(found)


@pytest.mark.parametrize(
    ("statement", "named", "refusal"),
    [
        (HOLD_PRODUCT, a_command(("p-1", 1), ("p-0", 1)), RowHeldError),
        ("DELETE FROM products WHERE id = 'p-1'", a_command(), RowHeldError),
        ("SELECT 1 FROM products WHERE id = 'p-1' FOR KEY SHARE", a_command(), RowHeldError),
        (HOLD_COUPON, a_command(("p-0", 1), coupon="WELCOME10"), RowHeldError),
        (HOLD_NEW_KEY, a_command(("p-0", 1)), IdempotencyKeyInUseError),
    ],
    ids=["product", "deleted product", "shared product", "coupon", "key"],
)
async def test_only_who_names_the_held_row_is_refused_and_has_its_order_when_it_is_free(
    stocked: Shop, hold: Hold, statement: str, named: CreateOrder, refusal: type[Exception]
) -> None:
    """Neighbours with keys or without have their orders meanwhile; nothing of the refused one is stored."""
    intake = intake_of(stocked)
    named = replace(named, idempotency=KEY)
    others = neighbours()
    others[::2] = [replace(each, idempotency=KEY) for each in others[::2]]
    release = await hold(statement)
    asked = asyncio.create_task(order_all(intake, [named]))
    assert {type(one) for one in await order_all(intake, others)} == {Order}
    assert [type(one) for one in await asked] == [refusal]
    assert await stored_of(stocked, "c-1") == 0
    await release()

    async def placed() -> bool:
        (outcome,) = await order_all(intake, [named])
        return isinstance(outcome, Order)

    await eventually(placed)


async def test_many_held_rows_and_those_that_name_them_in_one_batch(stocked: Shop, hold: Hold) -> None:
    """Product, coupon and key at once; each is told for itself."""
    release = await hold(f"{HOLD_PRODUCT}; {HOLD_COUPON}; {HOLD_NEW_KEY}")
    named = [
        a_command(),
        a_command(("p-0", 1), coupon="WELCOME10"),
        replace(a_command(("p-0", 1)), idempotency=KEY),
    ]
    outcomes = await stocked.facade.create_orders([*named, *neighbours()])
    assert [type(one) for one in outcomes[:3]] == [RowHeldError, RowHeldError, IdempotencyKeyInUseError]
    assert {type(one) for one in outcomes[3:]} == {Order}
    assert await stored_of(stocked, "c-1") == 0
    await release()
    assert {type(one) for one in await stocked.facade.create_orders(named)} == {Order}


async def test_an_order_that_waits_is_placed_when_its_row_is_free(stocked: Shop, hold: Hold) -> None:
    """The caller notices nothing but the time."""
    intake = intake_of(stocked, lane_seconds=60)
    release = await hold(HOLD_PRODUCT)
    waiting = [a_command() for _ in range(5)]
    asked = asyncio.create_task(order_all(intake, waiting))
    await eventually(lambda: len(intake._lane) == 5)
    await release()
    outcomes = await asked
    assert {type(one) for one in outcomes} == {Order}
    assert await stocked.rows("SELECT stock FROM products WHERE id = 'p-1'") == [(995,)]


async def test_a_crowd_at_a_held_row_is_bounded_and_takes_nothing_from_others(
    stocked: Shop, hold: Hold
) -> None:
    """Ten may wait; who waits for another row that is free again goes on past them."""
    intake = intake_of(stocked, lane_seconds=60, lane_size=10)
    release_other = await hold("UPDATE products SET name = name WHERE id = 'p-0'")
    release = await hold(HOLD_PRODUCT)
    other = asyncio.create_task(order_all(intake, [a_command(("p-0", 1))]))
    await eventually(lambda: len(intake._lane) == 1)
    many = [a_command() for _ in range(300)]
    crowd = asyncio.create_task(order_all(intake, many))
    assert {type(one) for one in await order_all(intake, neighbours(100))} == {Order}
    await eventually(lambda: len(intake._lane) == 10)
    await release_other()
    (placed,) = await other
    assert isinstance(placed, Order)
    assert not crowd.done()
    await release()
    refused_or_not = await crowd
    outcomes = [type(one) for one in refused_or_not]
    assert set(outcomes) == {Order, RowHeldError}
    assert await stored_of(stocked, "c-1") == outcomes.count(Order) + 1


async def test_only_the_first_order_of_an_incident_runs_into_the_held_row(stocked: Shop, hold: Hold) -> None:
    """Later ones are known by what they name; no transaction of others is held up for them."""
    intake = intake_of(stocked)
    batches: list[set[str]] = []
    create = stocked.facade.create_orders

    async def watched(commands: Sequence[CreateOrder]) -> Any:
        batches.append({item.product_id for command in commands for item in command.items})
        return await create(commands)

    intake._create = watched
    release = await hold(HOLD_PRODUCT)
    for _ in range(3):
        assert [type(one) for one in await order_all(intake, [a_command()])] == [RowHeldError]
    assert batches.count({"p-1"}) == 1
    await release()


async def test_a_locked_table_is_everybodys_trouble_and_nothing_is_stored(
    database_url: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that queues for its lock: refused after the lock timeout, not "outcome unknown"."""
    monkeypatch.setitem(_SESSION, "lock_timeout", "300")
    engine = create_engine(database_url, application_name="test", pool_size=10)
    shop = a_shop(engine, FakePublisher())
    await shop.stock([a_product()])
    for table in ("orders", "products", "idempotency_keys", "outbox_event"):
        release = await hold(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        (outcome,) = await order_all(intake_of(shop), [replace(a_command(), idempotency=KEY)])
        await release()
        assert isinstance(outcome, LockWaitError), f"{table}: nobody holds a key, or a row"
        assert await stored_of(shop, "c-1") == 0
    assert isinstance(await shop.place(replace(a_command(), idempotency=KEY)), Order)
    await engine.dispose()


async def test_a_statement_that_takes_too_long_is_no_outage(
    database_url: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own batch is refused, and knows that nothing was stored."""
    monkeypatch.setitem(_SESSION, "statement_timeout", "100")
    engine = create_engine(database_url, application_name="test", pool_size=10)
    shop = a_shop(engine, FakePublisher())
    await shop.stock([a_product()])
    release = await hold(HOLD_PRODUCT)
    with pytest.raises(StorageBusyError):
        await shop.place(a_command())
    await release()
    assert await stored_of(shop, "c-1") == 0
    await engine.dispose()


async def test_a_crowd_at_a_held_order_is_refused_and_leaves_the_connections_to_others(
    stocked: Shop, hold: Hold
) -> None:
    """Thirty payments of one order, and five of others that are held too, beside a pool of ten."""
    stocked.life._turns = OrderTurns(seconds=0.5)
    held = [await stocked.place(a_command()) for _ in range(6)]
    free = await stocked.place(a_command(("p-0", 1)))
    release = await hold('UPDATE orders SET version = version WHERE lines @> \'[{"product_id": "p-1"}]\'')
    payments = [paying(held[0])] * 30 + [paying(order) for order in held[1:]]
    crowd = asyncio.gather(*map(stocked.life.pay, payments), return_exceptions=True)
    assert {type(one) for one in await order_all(intake_of(stocked), neighbours())} == {Order}
    assert isinstance(await stocked.life.pay(paying(free)), Order)
    assert all(isinstance(one, StorageBusyError) for one in await crowd)
    await release()
    assert isinstance(await stocked.life.pay(payments[0]), Order)


@pytest.mark.parametrize("statement", [HOLD_PRODUCT, HOLD_COUPON], ids=["product", "coupon"])
async def test_a_cancellation_that_needs_a_held_row_is_refused_and_changes_nothing(
    stocked: Shop, hold: Hold, statement: str
) -> None:
    """The order stays as it was; later the same request succeeds."""
    order = await stocked.place(a_command(coupon="WELCOME10"))
    release = await hold(statement)
    with pytest.raises(StorageBusyError):
        await stocked.life.cancel(ChangeOrder(order.id, "c-1"))
    await release()
    assert isinstance(await stocked.life.cancel(ChangeOrder(order.id, "c-1")), Order)


@pytest.mark.parametrize(
    "statement",
    [HOLD_PRODUCT, HOLD_COUPON, "UPDATE coupon_uses SET customer_id = customer_id"],
    ids=["product", "coupon", "coupon use"],
)
async def test_held_rows_keep_only_their_own_orders_from_expiring(
    engine: AsyncEngine, hold: Hold, statement: str
) -> None:
    """However many come first; they expire when the row is free."""
    shop = a_shop(engine, FakePublisher(), time_to_live=timedelta(0))
    await shop.stock([a_product("p-0"), a_product("p-1")], [a_coupon()])
    await shop.facade.create_orders([a_command(coupon="WELCOME10") for _ in range(5)])
    await shop.facade.create_orders([a_command(("p-0", 1)) for _ in range(5)])
    release = await hold(statement)
    while await shop.life.expire_due(limit=2):
        pass
    status = "SELECT status, count(*) FROM orders GROUP BY status, coupon_code ORDER BY coupon_code"
    assert await shop.rows(status) == [("PENDING", 5), ("EXPIRED", 5)]
    await release()
    while await shop.life.expire_due(limit=2):
        pass
    assert await shop.rows(status) == [("EXPIRED", 5), ("EXPIRED", 5)]


async def test_catalogue_work_waits_for_a_held_product_without_holding_others(
    stocked: Shop, hold: Hold
) -> None:
    """An import and a stock movement; orders of their other products go on, and both succeed in the end."""
    transactions = SqlCatalogueTransactions(stocked.engine)
    release = await hold(HOLD_PRODUCT)
    products = [a_product(f"p-{number}", price=7) for number in range(5)]
    request = ImportRequest(products, [], "admin", "test")
    importing = asyncio.create_task(CatalogueImport(transactions, lambda: a_command().order_id).run(request))
    movement = StockMovement(a_command().order_id, "p-1", 5, "admin", "found")
    adding = asyncio.create_task(StockKeeping(transactions).add(movement))
    intake = intake_of(stocked, lane_seconds=60)
    for _ in range(5):
        outcomes = await order_all(intake, [a_command((f"p-{each}", 1)) for each in (0, 2, 3, 4)])
        assert {type(one) for one in outcomes} == {Order}
    await release()
    await importing
    assert (await adding).stock_after == 1_005
