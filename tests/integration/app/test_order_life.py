"""An order goes on, on a real database: what is released, who wins, who is too late."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.application.commands import ChangeOrder, PayOrder, ReplayedOrder
from app.application.errors import OrderNotFoundError, PreconditionFailedError, StorageUnavailableError
from app.application.order_expiry import OrderExpiry
from app.application.order_facade import OrderFacade
from app.application.order_life import OrderLife
from app.domain.errors import (
    CouponExhaustedError,
    InvalidTransitionError,
    OutOfStockError,
    PaymentRefusedError,
    PaymentTooLateError,
)
from app.domain.order import Order, OrderStatus
from app.metrics import AppMetrics
from app.persistence.orders import _LOCK_DUE
from kits.observability.metrics import Metrics
from kits.postgres.driver import DriverStatement, driver_transaction
from kits.process.background import Supervisor
from tests.builders import a_command, a_coupon, a_product, paying
from tests.integration.app.conftest import Shop, moved
from tests.waiting import eventually, patient

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def change(order: Order, *, customer: str | None = "c-1", versions: set[int] | None = None) -> ChangeOrder:
    """Let this order go on, as its customer."""
    return ChangeOrder(order.id, customer, frozenset(versions) if versions is not None else None, TRACEPARENT)


def pay(order: Order, reference: str = "", *, versions: set[int] | None = None) -> PayOrder:
    """Pay this order, as its payment provider says."""
    in_mind = frozenset(versions) if versions is not None else None
    return paying(order, reference, versions=in_mind, traceparent=TRACEPARENT)


async def overdue(shop: Shop, *orders: Order) -> None:
    """The time of these orders is over, of all without any."""
    chosen = "WHERE id = ANY(:ids)" if orders else ""
    async with shop.engine.begin() as connection:
        await connection.execute(
            text(f"UPDATE orders SET expires_at = clock_timestamp() - interval '1 ms' {chosen}"),  # noqa: S608
            {"ids": [order.id for order in orders]} if orders else {},
        )


async def statuses(shop: Shop) -> Counter[str]:
    """How many orders stand where."""
    return Counter(dict(await shop.rows("SELECT status, count(*) FROM orders GROUP BY status")))


async def test_an_order_goes_on_step_by_step_and_each_step_is_an_event(shop: Shop) -> None:
    """Version, status and the numbers of the events agree; the trace of each request is kept."""
    await shop.stock([a_product(stock=5)])
    order = await shop.place(a_command(("p-1", 2)))
    paid = moved(await shop.life.pay(pay(order)))
    done = moved(await shop.life.fulfil(change(order, customer=None)))
    assert [(each.status, each.version) for each in (order, paid, done)] == [
        (OrderStatus.PENDING, 1),
        (OrderStatus.PAID, 2),
        (OrderStatus.FULFILLED, 3),
    ]
    query = "SELECT seq, event_type, headers ->> 'traceparent' FROM outbox_event ORDER BY seq"
    assert await shop.rows(query) == [
        (1, "order.created", None),
        (2, "order.paid", TRACEPARENT),
        (3, "order.fulfilled", TRACEPARENT),
    ]
    assert await shop.rows("SELECT status, version FROM orders") == [("FULFILLED", 3)]
    assert await shop.rows("SELECT stock FROM products") == [(3,)]


async def test_commands_are_counted_by_what_became_of_them(shop: Shop) -> None:
    """In one metric, whose ordinary outcomes are there from the start."""
    metrics = Metrics()
    counted = AppMetrics(metrics)
    facade = OrderFacade(shop.transactions, counted, time_to_live=timedelta(minutes=15), max_open_orders=0)
    await shop.stock([a_product(stock=5)])
    order, refused = await facade.create_orders([a_command(("p-1", 2)), a_command(("p-1", 4))])
    assert isinstance(order, Order)
    assert isinstance(refused, OutOfStockError)
    life = OrderLife(shop.transactions, counted)
    await life.pay(pay(order))
    for _ in range(2):
        with pytest.raises(PaymentRefusedError):
            await life.pay(pay(order, "again"))
    found = [line for line in metrics.render().decode().splitlines() if line.startswith("orders_")]
    numbers = {"created": 1, "paid": 1, "fulfilled": 0, "cancelled": 0, "expired": 0, "replayed": 0}
    numbers |= {"payment_refused": 1, PaymentRefusedError.code: 2}
    assert sorted(found) == sorted(
        f'orders_total{{outcome="{outcome}"}} {float(number)}'
        for outcome, number in (numbers | {refused.code: 1}).items()
    )


async def test_cancelling_releases_the_pieces_and_the_coupon_use_and_tells_so(shop: Shop) -> None:
    """The same customer may use the coupon again at once, and somebody else may buy the pieces."""
    coupon = a_coupon("ONCE", total_limit=1, customer_limit=1)
    await shop.stock([a_product("p-1", stock=2), a_product("p-2", stock=9)], [coupon])
    order = await shop.place(a_command(("p-2", 3), ("p-1", 2), coupon="ONCE"))
    with pytest.raises(CouponExhaustedError):
        await shop.place(a_command(("p-2", 1), coupon="ONCE"))
    cancelled = moved(await shop.life.cancel(change(order)))
    assert (cancelled.status, cancelled.version) == (OrderStatus.CANCELLED, 2)
    assert await shop.rows("SELECT id, stock FROM products ORDER BY id") == [("p-1", 2), ("p-2", 9)]
    assert await shop.rows("SELECT used FROM coupons") == [(0,)]
    assert await shop.rows("SELECT count(*) FROM coupon_uses") == [(0,)]
    ((payload,),) = await shop.rows("SELECT payload FROM outbox_event WHERE seq = 2")
    assert json.loads(payload)["order"]["released"] == {
        "items": [{"productId": "p-2", "quantity": 3}, {"productId": "p-1", "quantity": 2}],
        "couponCode": "ONCE",
    }
    again = await shop.place(a_command(("p-1", 2), coupon="ONCE"))
    assert again.discount > 0


async def test_an_order_that_was_paid_keeps_its_pieces_and_its_coupon_use(shop: Shop) -> None:
    """It can't be cancelled, and its time has no meaning any more."""
    await shop.stock([a_product(stock=5)], [a_coupon()])
    order = await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))
    await shop.life.pay(pay(order))
    await overdue(shop)
    assert not await shop.life.expire_due()
    with pytest.raises(InvalidTransitionError) as refused:
        await shop.life.cancel(change(order))
    assert refused.value.facts == {"current": "PAID"}
    assert await shop.rows("SELECT stock, used FROM products, coupons") == [(3, 1)]
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(2,)]


async def test_a_payment_after_the_time_is_refused_and_expires_the_order_in_the_same_commit(
    shop: Shop,
) -> None:
    """Nobody has to wait for the expiry task to have the pieces back."""
    await shop.stock([a_product(stock=5)], [a_coupon()])
    order = await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))
    await overdue(shop)
    with pytest.raises(PaymentTooLateError) as refused:
        await shop.life.pay(pay(order))
    assert (refused.value.code, refused.value.facts) == ("invalid_transition", {"current": "EXPIRED"})
    assert await shop.rows("SELECT status, version, stock, used FROM orders, products, coupons") == [
        ("EXPIRED", 3, 5, 0)
    ]
    assert await shop.rows("SELECT seq, event_type FROM outbox_event WHERE seq > 1 ORDER BY seq") == [
        (2, "order.expired"),
        (3, "order.payment_refused"),
    ]
    with pytest.raises(PaymentTooLateError):
        await shop.life.pay(pay(order))
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(3,)]


@pytest.mark.parametrize("step", ["pay", "cancel"])
async def test_another_customers_order_is_not_found_and_stays_as_it_is(shop: Shop, step: str) -> None:
    """Not even too late a payment does anything to it."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    await overdue(shop)
    ask = {"pay": PayOrder, "cancel": ChangeOrder}[step]
    for command in (ask(order.id, "c-2"), ask("0199aaaa-0000-7000-8000-000000000001", "c-1")):
        with pytest.raises(OrderNotFoundError):
            await getattr(shop.life, step)(command)
    assert await shop.rows("SELECT status, version FROM orders") == [("PENDING", 1)]


async def test_a_caller_who_has_another_version_in_mind_changes_nothing(shop: Shop) -> None:
    """Neither where the transition is possible nor where it is not; the version that is there is told."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    for versions in (set(), {2}, {2, 3}):
        with pytest.raises(PreconditionFailedError) as failed:
            await shop.life.pay(pay(order, versions=versions))
        assert failed.value.facts == {"version": 1, "current": "PENDING"}
    assert moved(await shop.life.pay(pay(order, versions={1, 7}))).version == 2
    with pytest.raises(PreconditionFailedError):
        await shop.life.pay(pay(order, "another", versions={1}))


async def test_of_many_who_move_one_order_at_once_exactly_one_wins(shop: Shop) -> None:
    """The others learn where the winner has left it; one event, and the pieces are counted once."""
    await shop.stock([a_product(stock=100)], [a_coupon()])
    winners: Counter[str] = Counter()
    for turn in range(16):
        order = await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))
        moves: list[Coroutine[Any, Any, Order | ReplayedOrder]] = []
        for number in range(6):
            moves += [shop.life.pay(pay(order, f"{turn}-{number}")), shop.life.cancel(change(order))]
        outcomes = await asyncio.gather(*(moves if turn % 2 else moves[::-1]), return_exceptions=True)
        won = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, InvalidTransitionError)]
        assert (len(won), len(lost)) == (1, 11)
        assert {loser.facts["current"] for loser in lost} == {won[0].status}
        winners[won[0].status] += 1
    assert await statuses(shop) == winners
    assert await shop.rows("SELECT stock, used FROM products, coupons") == [
        (100 - 2 * winners["PAID"], winners["PAID"])
    ]
    assert await shop.rows("SELECT count(*) FROM outbox_event WHERE seq = 2") == [(16,)]


async def test_an_overdue_order_is_cancelled_or_expired_but_never_both_and_never_paid(shop: Shop) -> None:
    """Payments, cancellations and two expiry tasks at once: the pieces come back exactly once."""
    await shop.stock([a_product(stock=100)], [a_coupon()])
    for _ in range(10):
        order = await shop.place(a_command(("p-1", 3), coupon="WELCOME10"))
        await overdue(shop, order)
        moves: list[Coroutine[Any, Any, Any]] = [shop.life.expire_due(), shop.life.expire_due()]
        payments = [shop.life.pay(pay(order)) for _ in range(2)]
        moves += [*payments, shop.life.cancel(change(order))]
        outcomes = await asyncio.gather(*moves, return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, bool | Order | InvalidTransitionError), outcome
        ((status, version),) = await shop.rows(
            "SELECT status, version FROM orders WHERE id = CAST(:id AS uuid)", id=order.id
        )
        # One payment, sent twice: it is refused once.
        assert (status in {"EXPIRED", "CANCELLED"}, version) == (True, 3)
        assert await shop.rows("SELECT stock, used FROM products, coupons") == [(100, 0)]
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(30,)]


async def test_expiry_takes_the_overdue_orders_in_batches_and_says_when_there_is_more(shop: Shop) -> None:
    """Those whose time is over the longest come first; those who still have time stay."""
    await shop.stock([a_product(stock=100)])
    orders = await shop.facade.create_orders([a_command() for _ in range(7)])
    assert not await shop.life.expire_due(limit=3)
    await overdue(shop, *[order for order in orders[:5] if isinstance(order, Order)])
    assert [await shop.life.expire_due(limit=3) for _ in range(3)] == [True, False, False]
    assert await statuses(shop) == {"EXPIRED": 5, "PENDING": 2}
    assert await shop.rows("SELECT stock FROM products") == [(98,)]


async def test_two_expiry_tasks_beside_running_orders_lose_nothing_and_meet_no_deadlock(shop: Shop) -> None:
    """Orders in both directions over the same products while 200 expire: the stock adds up."""
    await shop.stock([a_product("p-1", stock=1000), a_product("p-2", stock=1000)], [a_coupon()])
    both = (("p-1", 1), ("p-2", 1))
    await shop.facade.create_orders([a_command(*both, coupon="WELCOME10") for _ in range(200)])
    await overdue(shop)

    async def expire() -> None:
        while await shop.life.expire_due(limit=10):
            pass

    async def order(place: int) -> None:
        for _ in range(10):
            items = both if place % 2 else both[::-1]
            await shop.place(a_command(*items, coupon="WELCOME10"))

    await asyncio.gather(expire(), expire(), *(order(place) for place in range(4)))
    await expire()
    assert await statuses(shop) == {"EXPIRED": 200, "PENDING": 40}
    assert await shop.rows("SELECT id, stock FROM products ORDER BY id") == [("p-1", 960), ("p-2", 960)]
    assert await shop.rows("SELECT used FROM coupons") == [(40,)]
    assert await shop.rows("SELECT count(*) FROM coupon_uses") == [(40,)]
    assert await shop.rows("SELECT count(*) FROM outbox_event WHERE event_type = 'order.expired'") == [(200,)]


async def test_expiry_passes_over_an_order_that_somebody_holds(shop: Shop) -> None:
    """It does not wait behind a payment; the next round looks again."""
    await shop.stock([a_product(stock=10)])
    held, free = [await shop.place(a_command()) for _ in range(2)]
    await overdue(shop)
    async with shop.transactions() as uow:
        await uow.orders.lock([held.id])
        await asyncio.wait_for(shop.life.expire_due(), patient(30))
        assert await statuses(shop) == {"EXPIRED": 1, "PENDING": 1}
    await shop.life.expire_due()
    assert await statuses(shop) == {"EXPIRED": 2}
    assert free.version == 1


async def test_an_order_that_cannot_expire_keeps_no_other_from_it(shop: Shop) -> None:
    """Somebody has set a coupon's count back by hand; its orders wait until that is mended."""
    await shop.stock([a_product(stock=10)], [a_coupon("BROKEN")])
    await shop.place(a_command(coupon="BROKEN"))
    await shop.facade.create_orders([a_command() for _ in range(3)])
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE coupons SET used = 0"))
    await overdue(shop)
    assert not await shop.life.expire_due()
    assert await statuses(shop) == {"EXPIRED": 3, "PENDING": 1}
    assert await shop.rows("SELECT stock FROM products") == [(9,)]
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE coupons SET used = 1"))
    await shop.life.expire_due()
    assert await statuses(shop) == {"EXPIRED": 4}


async def test_the_expiry_task_expires_by_itself_and_outlives_a_database_that_is_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that fails is a round later."""
    await shop.stock([a_product(stock=10)])
    await shop.facade.create_orders([a_command() for _ in range(3)])
    rounds: list[str] = []
    monkeypatch.setattr(shop.life, "expire_due", _failing_once(shop.life, rounds))
    expiry = OrderExpiry(shop.life, Supervisor(), interval_seconds=0.02)
    await expiry.start()
    try:
        await eventually(lambda: len(rounds) > 2)
        await overdue(shop)

        async def all_expired() -> bool:
            return await statuses(shop) == {"EXPIRED": 3}

        await eventually(all_expired)
    finally:
        await expiry.stop()
    assert rounds[:2] == ["away", "looked"]


def _failing_once(life: OrderLife, rounds: list[str]) -> Callable[[], Coroutine[Any, Any, bool]]:
    expire_due = life.expire_due

    async def expire() -> bool:
        if not rounds:
            rounds.append("away")
            raise StorageUnavailableError("The database is away.")
        rounds.append("looked")
        return await expire_due()

    return expire


async def test_overdue_orders_are_found_by_their_index(shop: Shop) -> None:
    """The search ends at the first order that still has time, however many are pending."""
    await shop.stock([a_product(stock=100_000)])
    for _ in range(4):
        await shop.facade.create_orders([a_command() for _ in range(500)])
    async with shop.engine.begin() as connection:
        await connection.execute(text("ANALYZE orders"))
    explain = DriverStatement(text(f"EXPLAIN {_LOCK_DUE.text.replace('$1', '100')}"))
    async with driver_transaction(shop.engine) as connection:
        told = "\n".join(line for (line,) in await connection.fetch(explain))
    assert "Index Scan using ix_orders_pending_expires_at" in told
    assert "Index Cond: (expires_at <= statement_timestamp())" in told
