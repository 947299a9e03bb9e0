"""The one transaction: stock, order, coupon, save, event, on a real database."""

import json

import pytest
from sqlalchemy import text

from app.application.errors import EventTooLargeError, StorageUnavailableError
from app.application.order_listeners import DataPlatformEventListener
from app.domain.errors import (
    CouponExhaustedError,
    CouponNotFoundError,
    OrderError,
    OutOfStockError,
    UnknownProductError,
)
from app.domain.order import Order
from tests.builders import a_command, a_coupon, a_product
from tests.integration.app.conftest import Shop


async def test_an_order_takes_stock_uses_its_coupon_and_records_its_event_in_one_commit(shop: Shop) -> None:
    """All four are there together, and the event is on its way before the caller has its answer."""
    await shop.stock([a_product("p-1", price=15_000, stock=5)], [a_coupon()])
    order = await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))
    assert (order.subtotal, order.discount, order.total) == (30_000, 3_000, 27_000)
    assert await shop.rows("SELECT stock FROM products") == [(3,)]
    assert await shop.rows("SELECT used FROM coupons") == [(1,)]
    assert await shop.rows("SELECT order_id::text FROM coupon_uses") == [(order.id,)]
    assert await shop.rows("SELECT id::text, status, version, total FROM orders") == [
        (order.id, "PENDING", 1, 27_000)
    ]
    ((payload, claimed),) = await shop.rows("SELECT payload, lease_token IS NOT NULL FROM outbox_event")
    assert json.loads(payload)["order"]["total"] == 27_000
    assert claimed
    assert [claim.item.key for claim in shop.publisher.published] == [order.id]


async def test_the_event_says_the_same_in_the_outbox_and_to_the_publisher(shop: Shop) -> None:
    """Bytes are made once."""
    await shop.stock([a_product()])
    await shop.place(a_command())
    ((event_id, payload, seq),) = await shop.rows("SELECT event_id::text, payload, seq FROM outbox_event")
    (claim,) = shop.publisher.published
    assert (claim.item.id, claim.item.payload, claim.item.number) == (event_id, payload, seq)


async def test_a_refused_command_does_not_disturb_its_neighbours(shop: Shop) -> None:
    """Outcomes stand in the order of the commands; refusals leave no trace."""
    await shop.stock([a_product("p-1", stock=3), a_product("p-2", stock=9)])
    outcomes = await shop.facade.create_orders(
        [
            a_command(("p-1", 2)),
            a_command(("p-1", 2)),
            a_command(("p-9", 1)),
            a_command(("p-2", 1), coupon="NOPE"),
            a_command(("p-1", 1), ("p-2", 1)),
        ]
    )
    kinds = [Order, OutOfStockError, UnknownProductError, CouponNotFoundError, Order]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert await shop.rows("SELECT id, stock FROM products ORDER BY id") == [("p-1", 0), ("p-2", 8)]
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(2,)]


async def test_a_batch_of_refusals_commits_nothing(shop: Shop) -> None:
    """And tells nobody."""
    outcomes = await shop.facade.create_orders([a_command(("p-9", 1))])
    assert isinstance(outcomes[0], OrderError)
    assert await shop.rows("SELECT count(*) FROM orders") == [(0,)]
    assert shop.publisher.published == []


async def test_a_coupon_is_used_no_more_than_its_limits(shop: Shop) -> None:
    """In one batch, across batches, and per customer."""
    await shop.stock(
        [a_product()], [a_coupon("TWICE", total_limit=2), a_coupon("ONCE-EACH", customer_limit=1)]
    )
    batch = [a_command(coupon="TWICE", customer=f"c-{n}") for n in range(2)]
    assert all(isinstance(outcome, Order) for outcome in await shop.facade.create_orders(batch))
    with pytest.raises(CouponExhaustedError):
        await shop.place(a_command(coupon="TWICE", customer="c-3"))
    await shop.place(a_command(coupon="ONCE-EACH", customer="c-1"))
    with pytest.raises(CouponExhaustedError):
        await shop.place(a_command(coupon="ONCE-EACH", customer="c-1"))
    await shop.place(a_command(coupon="ONCE-EACH", customer="c-2"))


async def test_while_kafka_is_away_events_are_born_unclaimed(shop: Shop) -> None:
    """The relay takes them when Kafka is back; nobody waits for a lease."""
    shop.publisher.accepting = False
    await shop.stock([a_product()])
    await shop.place(a_command())
    assert await shop.rows("SELECT lease_token, lease_until, published_at FROM outbox_event") == [(None,) * 3]
    assert shop.publisher.published == []


async def test_an_order_whose_commit_was_lost_on_the_way_back_is_found_not_doubled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt committed, its answer did not arrive: the second one looks first."""
    await shop.stock([a_product(stock=5)])
    create = shop.facade._create
    asked: list[bool] = []

    async def lose_the_first_answer(commands: object, resumed: bool) -> object:
        outcomes = await create(commands, resumed)  # type: ignore[arg-type]
        asked.append(resumed)
        if not resumed:
            raise StorageUnavailableError("the connection broke right after COMMIT")
        return outcomes

    monkeypatch.setattr(shop.facade, "_create", lose_the_first_answer)
    command = a_command()
    order = await shop.place(command)
    assert (order.id, asked) == (command.order_id, [False, True])
    assert await shop.rows("SELECT count(*), min(stock) FROM orders, products") == [(1, 4)]
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(1,)]


async def test_a_listener_that_fails_before_the_commit_rolls_everything_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order without its event."""
    await shop.stock([a_product(stock=5)])
    monkeypatch.setattr(DataPlatformEventListener, "_max_event_bytes", 10, raising=False)
    listener = shop.transactions._bus._listeners
    for listeners in listener.values():
        for method in listeners:
            monkeypatch.setattr(method.__self__, "_max_event_bytes", 10)  # type: ignore[attr-defined]
    (outcome,) = await shop.facade.create_orders([a_command()])
    assert isinstance(outcome, EventTooLargeError)
    assert await shop.rows("SELECT stock FROM products") == [(5,)]
    assert await shop.rows("SELECT count(*) FROM orders") == [(0,)]
    assert shop.publisher.published == []


async def test_a_database_that_ends_our_connections_costs_no_order(shop: Shop) -> None:
    """A restart of PostgreSQL looks like this to the pool; the batch runs once more on a new connection."""
    await shop.stock([a_product(stock=5)])
    await shop.place(a_command())
    async with shop.engine.connect() as other:
        mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
        await other.execute(text(mine + " AND pid <> pg_backend_pid()"))
        await shop.place(a_command())
    assert await shop.rows("SELECT stock FROM products") == [(3,)]
