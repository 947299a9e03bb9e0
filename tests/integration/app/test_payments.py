"""What a payment does to its order, on a real database: accepted or refused, it is recorded once."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from app.application.commands import ChangeOrder, IdempotencyKey, PayOrder, ReplayedOrder
from app.application.order_life import OrderLife
from app.domain.errors import (
    InvalidTransitionError,
    PaymentAmountMismatchError,
    PaymentReferenceUsedError,
    PaymentRefusedError,
    PaymentTooLateError,
)
from app.domain.order import Order
from app.metrics import AppMetrics
from kits.observability.metrics import Metrics
from tests.builders import a_command, a_coupon, a_payment, a_product, paying
from tests.integration.app.conftest import Shop, moved

PAYMENTS = (
    "SELECT provider, reference, order_id::text, amount, currency, outcome, status, version FROM payments"
    " ORDER BY version, provider"
)
EVENTS = "SELECT seq, event_type FROM outbox_event ORDER BY aggregate_id, seq"


@pytest.fixture
async def order(shop: Shop) -> Order:
    """Two pieces, with a coupon, waiting for its payment."""
    await shop.stock([a_product(stock=10)], [a_coupon()])
    return await shop.place(a_command(("p-1", 2), coupon="WELCOME10"))


async def end_time(shop: Shop) -> None:
    """The time of all orders is over."""
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE orders SET expires_at = clock_timestamp()"))


async def event_of(shop: Shop, seq: int) -> Any:
    """The body of the order's event with this number."""
    ((payload,),) = await shop.rows("SELECT payload FROM outbox_event WHERE seq = :seq", seq=seq)
    return json.loads(payload)


async def bring_to(shop: Shop, order: Order, status: str) -> Order:
    """The same order, where it takes no payment any more."""
    if status == "CANCELLED":
        return moved(await shop.life.cancel(ChangeOrder(order.id, "c-1")))
    if status == "EXPIRED":
        await end_time(shop)
        await shop.life.expire_due()
        return order.as_it_was(order.status, 2)
    paid = moved(await shop.life.pay(paying(order, "first")))
    return paid if status == "PAID" else moved(await shop.life.fulfil(ChangeOrder(order.id, None)))


async def test_a_payment_in_time_is_recorded_and_told_with_its_name(shop: Shop, order: Order) -> None:
    """Who took the money, and what they call it."""
    paid = moved(await shop.life.pay(paying(order, "pay-1")))
    assert (paid.status, paid.version) == ("PAID", 2)
    assert await shop.rows(PAYMENTS) == [
        ("psp-1", "pay-1", order.id, order.total, "KRW", "accepted", "PAID", 2)
    ]
    told = (await event_of(shop, 2))["order"]
    assert told["payment"] == {"provider": "psp-1", "reference": "pay-1"}
    assert (told["status"], told["total"]) == ("PAID", order.total)


async def test_the_same_payment_again_is_answered_as_it_was(shop: Shop, order: Order) -> None:
    """Whatever has become of the order, and whatever version its provider has in mind."""
    paid = moved(await shop.life.pay(paying(order)))
    await shop.life.fulfil(ChangeOrder(order.id, None))
    for versions in (None, frozenset({1}), frozenset({9})):
        assert await shop.life.pay(paying(order, versions=versions)) == ReplayedOrder(paid)
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(3,)]
    assert await shop.rows("SELECT count(*) FROM payments") == [(1,)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("CANCELLED", "cancelled"),
        ("EXPIRED", "too_late"),
        ("PAID", "paid_already"),
        ("FULFILLED", "paid_already"),
    ],
)
async def test_an_order_that_takes_no_payment_records_it_as_refused(
    shop: Shop, order: Order, status: str, reason: str
) -> None:
    """So that the money can be given back: once per payment, under the order's next number."""
    before = (await bring_to(shop, order, status)).version
    stock = await shop.rows("SELECT stock, used FROM products, coupons")
    for _ in range(3):
        with pytest.raises(PaymentRefusedError) as refused:
            await shop.life.pay(paying(order, "late"))
        assert (refused.value.code, refused.value.facts) == ("invalid_transition", {"current": status})
    assert await shop.rows("SELECT status, version FROM orders") == [(status, before + 1)]
    refusal = (await shop.rows(PAYMENTS))[-1]
    assert refusal == ("psp-1", "late", order.id, order.total, "KRW", "refused", status, before + 1)
    told = await event_of(shop, before + 1)
    assert told["eventType"] == "order.payment_refused"
    assert told["order"] == {
        "customerId": "c-1",
        "currency": "KRW",
        "subtotal": order.subtotal,
        "discount": order.discount,
        "total": order.total,
        "couponCode": "WELCOME10",
        "status": status,
        "payment": {
            "provider": "psp-1",
            "reference": "late",
            "amount": order.total,
            "currency": "KRW",
        },
        "reason": reason,
    }
    with pytest.raises(PaymentRefusedError):
        await shop.life.pay(paying(order, "another"))
    assert await shop.rows("SELECT version FROM orders") == [(before + 2,)]
    assert await shop.rows("SELECT stock, used FROM products, coupons") == stock
    assert [seq for seq, _ in await shop.rows(EVENTS)] == list(range(1, before + 3))


async def test_a_payment_that_comes_too_late_expires_the_order_and_is_refused_in_one_transaction(
    shop: Shop, order: Order
) -> None:
    """Two numbers of one moment; the pieces are for sale again, and the same payment is answered the same."""
    await end_time(shop)
    for _ in range(2):
        with pytest.raises(PaymentTooLateError) as refused:
            await shop.life.pay(paying(order))
        assert refused.value.facts == {"current": "EXPIRED"}
    assert await shop.rows(EVENTS) == [
        (1, "order.created"),
        (2, "order.expired"),
        (3, "order.payment_refused"),
    ]
    assert (await event_of(shop, 3))["order"]["reason"] == "too_late"
    assert (await event_of(shop, 2))["occurredAt"] == (await event_of(shop, 3))["occurredAt"]
    transactions = "SELECT count(DISTINCT xmin::text) FROM outbox_event WHERE seq > 1"
    assert await shop.rows(transactions) == [(1,)]
    assert await shop.rows("SELECT status, version, stock, used FROM orders, products, coupons") == [
        ("EXPIRED", 3, 10, 0)
    ]


async def test_what_is_not_the_total_is_refused_and_nothing_is_stored(shop: Shop, order: Order) -> None:
    """Also for an order that takes no payment, and for a payment that was recorded with the right amount."""
    wrong: list[dict[str, Any]] = [{"amount": order.total - 1}, {"amount": order.total + 1}, {"amount": 0}]
    for values in (*wrong, {"currency": "USD"}):
        with pytest.raises(PaymentAmountMismatchError):
            await shop.life.pay(PayOrder(order.id, None, payment=a_payment(order, **values)))
    assert await shop.rows("SELECT version FROM orders") == [(1,)]
    moved(await shop.life.pay(paying(order)))
    for values in (wrong[0], {**wrong[0], "reference": "another"}):
        with pytest.raises(PaymentAmountMismatchError):
            await shop.life.pay(PayOrder(order.id, None, payment=a_payment(order, **values)))
    assert await shop.rows("SELECT count(*) FROM payments") == [(1,)]
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(2,)]


async def test_a_reference_names_one_payment_of_its_provider(shop: Shop, order: Order) -> None:
    """Of an accepted one or a refused one; another provider may use the same name."""
    other = await shop.place(a_command())
    moved(await shop.life.pay(paying(order, "one")))
    with pytest.raises(PaymentRefusedError):
        await shop.life.pay(paying(order, "two"))
    for reference in ("one", "two"):
        with pytest.raises(PaymentReferenceUsedError) as used:
            await shop.life.pay(paying(other, reference))
        assert used.value.facts == {"reference": reference}
    elsewhere = a_payment(other, provider="psp-2", reference="one")
    assert moved(await shop.life.pay(PayOrder(other.id, None, payment=elsewhere))).version == 2


async def test_one_payment_at_many_doors_at_once_is_recorded_once(shop: Shop, order: Order) -> None:
    """In two processes: one pays, the others wait and are answered the same."""
    lives = [shop.life, OrderLife(shop.transactions, AppMetrics(Metrics()))]
    outcomes = await asyncio.gather(*(lives[number % 2].pay(paying(order)) for number in range(16)))
    paid = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    assert len(paid) == 1
    assert all(outcome == ReplayedOrder(paid[0]) for outcome in outcomes if outcome is not paid[0])
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(2,)]


async def test_one_reference_for_many_orders_at_once_pays_one_of_them(shop: Shop) -> None:
    """Also where all of them are overdue: one is refused with a record, the others stay as they are."""
    await shop.stock([a_product(stock=100)])
    for overdue in (False, True):
        orders = [await shop.place(a_command()) for _ in range(6)]
        if overdue:
            await end_time(shop)
        reference = f"shared-{overdue}"
        outcomes = await asyncio.gather(
            *(shop.life.pay(paying(order, reference)) for order in orders), return_exceptions=True
        )
        assert Counter(map(type, outcomes)) == {
            PaymentTooLateError if overdue else Order: 1,
            PaymentReferenceUsedError: 5,
        }
    assert await shop.rows("SELECT status, count(*) FROM orders GROUP BY 1 ORDER BY 1") == [
        ("EXPIRED", 1),
        ("PAID", 1),
        ("PENDING", 10),
    ]


async def test_a_crowd_of_payments_and_others_leaves_no_gap(shop: Shop) -> None:
    """Different payments, cancellation and expiry of one order: one wins, each loser has its number."""
    await shop.stock([a_product(stock=100)])
    for overdue in (False, True):
        order = await shop.place(a_command())
        if overdue:
            await end_time(shop)
        asked = [shop.life.pay(paying(order, f"{overdue}-{number}")) for number in range(5)]
        others = [shop.life.cancel(ChangeOrder(order.id, "c-1")), shop.life.expire_due()]
        outcomes = await asyncio.gather(*asked, *others, return_exceptions=True)
        assert all(isinstance(each, Order | InvalidTransitionError | bool) for each in outcomes), outcomes
        ((version,),) = await shop.rows(
            "SELECT version FROM orders WHERE id = CAST(:id AS uuid)", id=order.id
        )
        refused = sum(isinstance(each, PaymentRefusedError) for each in outcomes[:5])
        # Placed, brought to its end by whoever came first, and one more for each payment that came after.
        assert (refused >= 4, version) == (True, 2 + refused)
        seqs = await shop.rows(
            "SELECT seq FROM outbox_event WHERE aggregate_id = :id ORDER BY seq", id=order.id
        )
        assert seqs == [(number,) for number in range(1, version + 1)]


async def test_customers_may_pay_by_themselves_once_per_order(shop: Shop, order: Order) -> None:
    """Where that is allowed: the order's id is the reference, its total the amount."""
    own = PayOrder(order.id, "c-1")
    paid = moved(await shop.life.pay(own))
    assert await shop.life.pay(own) == ReplayedOrder(paid)
    assert await shop.rows(PAYMENTS) == [
        ("self", order.id, order.id, order.total, "KRW", "accepted", "PAID", 2)
    ]


async def test_a_key_shows_the_version_that_was_also_after_a_refusal(shop: Shop, order: Order) -> None:
    """A number may lie between two steps; keys of an earlier build have none, and had the old numbers."""
    key = IdempotencyKey("k-1", b"one")
    paid = moved(await shop.life.pay(paying(order, caller_id="psp-1", idempotency=key)))
    with pytest.raises(PaymentRefusedError):
        await shop.life.pay(
            paying(order, "two", caller_id="psp-1", idempotency=IdempotencyKey("k-2", b"two"))
        )
    fulfil = ChangeOrder(order.id, None, caller_id="staff", idempotency=key)
    done = moved(await shop.life.fulfil(fulfil))
    with pytest.raises(PaymentRefusedError):
        await shop.life.pay(paying(order, "three"))
    assert (paid.version, done.version) == (2, 4)
    assert await shop.life.fulfil(fulfil) == ReplayedOrder(done)
    again = paying(order, caller_id="psp-1", idempotency=key)
    assert await shop.life.pay(again) == ReplayedOrder(paid)
    keys = "SELECT key, order_version FROM idempotency_keys ORDER BY order_version"
    assert await shop.rows(keys) == [("k-1", 2), ("k-1", 4)]
    async with shop.engine.begin() as connection:
        await connection.execute(text("UPDATE idempotency_keys SET order_version = NULL"))
    assert await shop.life.fulfil(fulfil) == ReplayedOrder(done.as_it_was(done.status, 3))
    assert await shop.life.pay(again) == ReplayedOrder(paid)


async def test_a_key_and_a_reference_lead_to_the_same_answer(shop: Shop, order: Order) -> None:
    """A new key for a payment that was recorded is a replay too, and from then on one of its own."""
    paid = moved(await shop.life.pay(paying(order)))
    key = IdempotencyKey("k-9", b"nine")
    for _ in range(2):
        again = paying(order, caller_id="psp-1", idempotency=key)
        assert await shop.life.pay(again) == ReplayedOrder(paid)
    assert await shop.rows("SELECT key, order_version FROM idempotency_keys") == [("k-9", 2)]
