"""One Idempotency-Key takes one step of an order's life, in the step's transaction, on a real database."""

import asyncio
from collections import Counter
from dataclasses import replace as replaced
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from app.application.commands import ChangeOrder, IdempotencyKey, PayOrder, ReplayedOrder
from app.application.errors import (
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    OrderNotFoundError,
    PreconditionFailedError,
)
from app.application.order_life import OrderLife
from app.domain.errors import InvalidTransitionError, PaymentTooLateError
from app.domain.order import Order, OrderStatus
from app.metrics import AppMetrics
from kits.observability.metrics import Metrics
from kits.postgres.engine import _SESSION, create_engine
from tests.builders import a_command, a_coupon, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop, moved

KEYS = "SELECT customer_id, route, key FROM idempotency_keys ORDER BY route, key"


def keyed(
    order: Order, key: str = "k-1", *, asked: bytes = b"one", customer: str | None = "c-1"
) -> ChangeOrder:
    """A step of this order, asked for by its customer with a key."""
    return ChangeOrder(order.id, customer, caller_id="c-1", idempotency=IdempotencyKey(key, asked))


def pay_keyed(order: Order, key: str = "k-1", *, asked: bytes = b"one", reference: str = "") -> PayOrder:
    """A payment of this order, told by its provider with a key."""
    return paying(order, reference, caller_id="c-1", idempotency=IdempotencyKey(key, asked))


async def test_a_repeated_step_is_answered_as_it_was_whatever_became_of_the_order(shop: Shop) -> None:
    """Paid, fulfilled, and the payment asked for again: the paid order of then, and no further event."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    paid = moved(await shop.life.pay(pay_keyed(order)))
    assert await shop.life.pay(pay_keyed(order)) == ReplayedOrder(paid)
    done = moved(await shop.life.fulfil(keyed(order, customer=None)))
    assert await shop.life.pay(pay_keyed(order)) == ReplayedOrder(paid)
    assert await shop.life.fulfil(keyed(order, customer=None)) == ReplayedOrder(done)
    assert (paid.status, paid.version, done.version) == (OrderStatus.PAID, 2, 3)
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(3,)]
    assert await shop.rows(KEYS) == [
        ("c-1", "POST /orders/{id}/fulfilment", "k-1"),
        ("c-1", "POST /orders/{id}/payment", "k-1"),
    ]


async def test_a_repeated_cancellation_gives_nothing_back_twice(shop: Shop) -> None:
    """Pieces and coupon use are counted once."""
    await shop.stock([a_product(stock=5)], [a_coupon()])
    order = await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))
    cancelled = moved(await shop.life.cancel(keyed(order)))
    assert await shop.life.cancel(keyed(order)) == ReplayedOrder(cancelled)
    assert await shop.rows("SELECT stock, used FROM products, coupons") == [(5, 0)]


async def test_a_key_names_one_request(shop: Shop) -> None:
    """Another order, or anything else that the request says, is another one; nothing is done."""
    await shop.stock([a_product()])
    order, other = await shop.place(a_command()), await shop.place(a_command())
    await shop.life.pay(pay_keyed(order))
    with pytest.raises(IdempotencyKeyReusedError):
        await shop.life.pay(pay_keyed(order, asked=b"two"))
    with pytest.raises(IdempotencyKeyReusedError):
        await shop.life.pay(pay_keyed(other, asked=b"of the other"))
    assert await shop.rows("SELECT count(*) FROM orders WHERE status = 'PAID'") == [(1,)]


async def test_a_key_belongs_to_its_caller_and_its_route(shop: Shop) -> None:
    """The same text is another key for somebody else, for another step, and for placing orders."""
    await shop.stock([a_product()])
    key = IdempotencyKey("k-1", b"one")
    first = await shop.place(replace(a_command(), idempotency=key))
    second = await shop.place(a_command())
    moved(await shop.life.pay(pay_keyed(first)))
    moved(await shop.life.cancel(keyed(second)))
    third = await shop.place(a_command())
    moved(await shop.life.pay(replace(pay_keyed(third), caller_id="c-9")))


async def test_a_refused_step_leaves_no_key(shop: Shop) -> None:
    """Whatever it is refused for, the same request may succeed later."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    with pytest.raises(InvalidTransitionError):
        await shop.life.fulfil(keyed(order))
    with pytest.raises(PreconditionFailedError):
        await shop.life.pay(replace(pay_keyed(order), versions=frozenset({7})))
    with pytest.raises(OrderNotFoundError):
        await shop.life.pay(pay_keyed(replaced(order, id="019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91")))
    assert await shop.rows(KEYS) == []
    moved(await shop.life.pay(pay_keyed(order)))


async def test_a_payment_that_comes_too_late_leaves_no_key_though_it_expires_the_order(shop: Shop) -> None:
    """That transaction commits; the next try is refused for the same reason, not answered as paid."""
    late = a_shop(shop.engine, FakePublisher(), time_to_live=timedelta(0))
    await late.stock([a_product()])
    order = await late.place(a_command())
    with pytest.raises(PaymentTooLateError):
        await late.life.pay(pay_keyed(order))
    assert await shop.rows(KEYS) == []
    with pytest.raises(InvalidTransitionError):
        await late.life.pay(pay_keyed(order))


async def test_of_many_repeats_at_once_one_takes_the_step(shop: Shop) -> None:
    """In two processes: the others get its answer, or are told to come again."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    lives = [shop.life, OrderLife(shop.transactions, AppMetrics(Metrics()))]
    outcomes = await asyncio.gather(
        *(lives[number % 2].pay(pay_keyed(order)) for number in range(20)), return_exceptions=True
    )
    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds[Order] == 1
    assert set(kinds) <= {Order, ReplayedOrder, IdempotencyKeyInUseError}
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(2,)]


async def test_a_key_that_somebody_holds_is_waited_for_a_moment_only(
    shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that hangs elsewhere: come again, nothing was done."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    monkeypatch.setitem(_SESSION, "lock_timeout", "200")
    engine = create_engine(database_url, application_name="test")
    impatient = a_shop(engine, FakePublisher())
    async with shop.engine.connect() as hanging:
        await hanging.execute(
            text(
                "INSERT INTO idempotency_keys (customer_id, route, key, request_hash, order_id)"
                " VALUES ('c-1', 'POST /orders/{id}/payment', 'k-1', 'x', gen_random_uuid())"
            )
        )
        with pytest.raises(IdempotencyKeyInUseError):
            await impatient.life.pay(pay_keyed(order))
        await hanging.rollback()
    moved(await impatient.life.pay(pay_keyed(order)))
    await engine.dispose()
