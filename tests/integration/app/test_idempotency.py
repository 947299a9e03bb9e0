"""One Idempotency-Key creates one order, in the order's own transaction, on a real database."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from app.application.commands import CreateOrder, IdempotencyKey, ReplayedOrder
from app.application.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError
from app.application.order_intake import OrderIntake
from app.domain.errors import OutOfStockError
from app.domain.order import Order
from app.persistence.idempotency import SqlIdempotencyKeys
from kits.postgres.engine import _SESSION
from tests.builders import a_command, a_product
from tests.integration.app.conftest import Shop


def keyed(
    key: str = "k-1", *, body: bytes = b"one", customer: str = "c-1", item: tuple[str, int] = ("p-1", 1)
) -> CreateOrder:
    """A request with a key; each call is an attempt with an order id of its own."""
    return replace(a_command(item, customer=customer), idempotency=IdempotencyKey(key, body))


async def test_the_same_key_and_body_get_the_same_order(shop: Shop) -> None:
    """However often, and only one is placed."""
    await shop.stock([a_product(stock=5)])
    first = await shop.place(keyed())
    for _ in range(2):
        (again,) = await shop.facade.create_orders([keyed()])
        assert again == ReplayedOrder(first)
    assert await shop.rows("SELECT count(*), min(stock) FROM orders, products") == [(1, 4)]
    assert len(shop.publisher.published) == 1


async def test_the_same_key_with_another_body_is_refused(shop: Shop) -> None:
    """The key names one request."""
    await shop.stock([a_product()])
    await shop.place(keyed(body=b"one"))
    (outcome,) = await shop.facade.create_orders([keyed(body=b"two")])
    assert isinstance(outcome, IdempotencyKeyReusedError)


async def test_keys_of_different_customers_are_different_keys(shop: Shop) -> None:
    """Nobody can see or block another's request."""
    await shop.stock([a_product()])
    first = await shop.place(keyed(customer="c-1"))
    second = await shop.place(keyed(customer="c-2"))
    assert first.id != second.id


async def test_a_refused_request_gives_its_key_back(shop: Shop) -> None:
    """A failure is never stored as an answer: with more stock the same request succeeds."""
    await shop.stock([a_product(stock=0)])
    with pytest.raises(OutOfStockError):
        await shop.place(keyed())
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE products SET stock = 5"))
    assert isinstance(await shop.place(keyed()), Order)


async def test_a_batch_may_mix_new_replayed_reused_and_refused_requests(shop: Shop) -> None:
    """Each outcome stands at its request."""
    await shop.stock([a_product(stock=5)])
    first = await shop.place(keyed("old"))
    outcomes = await shop.facade.create_orders(
        [keyed("new"), keyed("old"), keyed("old", body=b"two"), keyed("bad", item=("p-1", 99)), a_command()]
    )
    kinds = [Order, ReplayedOrder, IdempotencyKeyReusedError, OutOfStockError, Order]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[1] == ReplayedOrder(first)
    assert await shop.rows("SELECT key FROM idempotency_keys ORDER BY key") == [("new",), ("old",)]


async def test_the_same_key_twice_in_one_batch_places_one_order(shop: Shop) -> None:
    """The intake never does this; the facade stays right without it."""
    await shop.stock([a_product()])
    outcomes = await shop.facade.create_orders([keyed(), keyed()])
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IdempotencyKeyInUseError", "Order"]


async def test_fifty_identical_requests_at_once_place_one_order(shop: Shop) -> None:
    """Through two intakes on one database, as two API processes are: each answer is that order, or 409."""
    await shop.stock([a_product(stock=100)])
    intakes = [OrderIntake(shop.facade.create_orders) for _ in range(2)]
    outcomes = await asyncio.gather(
        *(intakes[number % 2].create_order(keyed()) for number in range(50)), return_exceptions=True
    )
    placed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    replays = [outcome.order for outcome in outcomes if isinstance(outcome, ReplayedOrder)]
    others = {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)}
    assert len(placed) == 1
    assert all(order == placed[0] for order in replays)
    assert others <= {IdempotencyKeyInUseError}
    assert await shop.rows("SELECT count(*), min(stock) FROM orders, products") == [(1, 99)]


@pytest.fixture
def short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """For engines that are made from now on."""
    monkeypatch.setitem(_SESSION, "lock_timeout", "200")


async def test_a_key_that_a_hanging_transaction_holds_fails_its_own_request_alone(
    short_lock_timeout: None, shop: Shop
) -> None:
    """After the lock timeout the neighbours of its batch are placed, and it is told to come again."""
    await shop.stock([a_product()])
    async with shop.engine.connect() as hanging:
        await hanging.execute(
            text(
                "INSERT INTO idempotency_keys (customer_id, route, key, request_hash, order_id)"
                " VALUES ('c-1', 'POST /orders', 'k-1', 'x', gen_random_uuid())"
            )
        )
        outcomes = await shop.facade.create_orders([keyed("k-1"), keyed("k-2")])
        await hanging.rollback()
    assert [type(outcome) for outcome in outcomes] == [IdempotencyKeyInUseError, Order]


async def test_keys_are_forgotten_after_a_day(shop: Shop) -> None:
    """A little at a time."""
    await shop.stock([a_product()])
    await shop.facade.create_orders([keyed("old-1"), keyed("old-2"), keyed("young")])
    async with shop.engine.begin() as connection:
        old = "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key LIKE 'old%'"
        await connection.execute(text(old))
    keys = SqlIdempotencyKeys(shop.engine)
    assert [await keys.forget_old(limit=1) for _ in range(3)] == [1, 1, 0]
    assert await shop.rows("SELECT key FROM idempotency_keys") == [("young",)]
