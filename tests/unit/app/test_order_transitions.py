"""The life of an order: every pair of statuses, and the event of each step."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from app.domain.errors import InvalidTransitionError, PaymentAmountMismatchError, PaymentTooLateError
from app.domain.events import (
    OrderCancelledEvent,
    OrderExpiredEvent,
    OrderFulfilledEvent,
    OrderMovedEvent,
    moved,
)
from app.domain.order import RELEASING, TRANSITIONS, OrderStatus
from tests.builders import NOW, a_payment, an_order

POSSIBLE = {
    (OrderStatus.PENDING, OrderStatus.PAID),
    (OrderStatus.PENDING, OrderStatus.CANCELLED),
    (OrderStatus.PENDING, OrderStatus.EXPIRED),
    (OrderStatus.PAID, OrderStatus.FULFILLED),
}
PAIRS = list(product(OrderStatus, OrderStatus))


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in PAIRS if pair in POSSIBLE])
def test_a_possible_transition_changes_status_and_version_and_nothing_else(
    current: OrderStatus, wanted: OrderStatus
) -> None:
    """Amounts, lines and times are what the customer agreed to."""
    order = replace(an_order(), status=current, version=7)
    assert order.moved_to(wanted, now=NOW) == replace(order, status=wanted, version=8)


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in PAIRS if pair not in POSSIBLE])
def test_any_other_transition_is_refused_and_says_where_the_order_stands(
    current: OrderStatus, wanted: OrderStatus
) -> None:
    """Also to where it is already: whoever comes second learns that somebody was first."""
    order = replace(an_order(), status=current)
    with pytest.raises(InvalidTransitionError) as refused:
        order.moved_to(wanted, now=NOW)
    assert (refused.value.code, refused.value.facts) == ("invalid_transition", {"current": current})


def test_every_status_has_its_row_in_the_table() -> None:
    """A status that is added cannot be forgotten."""
    assert set(TRANSITIONS) == set(OrderStatus)


def test_no_order_leaves_a_status_that_has_released_its_pieces() -> None:
    """They may be somebody else's by then."""
    assert all(not TRANSITIONS[status] for status in RELEASING)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(milliseconds=1), timedelta(days=1)])
def test_a_payment_at_or_after_the_end_of_the_time_is_too_late(late: timedelta) -> None:
    """The order's time ends at expires_at, not after it; the caller is told as if it had expired before."""
    order = an_order()
    with pytest.raises(PaymentTooLateError) as refused:
        order.moved_to(OrderStatus.PAID, now=order.expires_at + late)
    assert (refused.value.code, refused.value.facts) == ("invalid_transition", {"current": "EXPIRED"})
    assert order.moved_to(OrderStatus.EXPIRED, now=order.expires_at + late).status is OrderStatus.EXPIRED


def test_a_payment_just_before_the_end_of_the_time_is_in_time() -> None:
    """To the millisecond."""
    order = an_order()
    now = order.expires_at - timedelta(milliseconds=1)
    assert order.moved_to(OrderStatus.PAID, now=now).status is OrderStatus.PAID


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (OrderStatus.FULFILLED, OrderFulfilledEvent),
        (OrderStatus.CANCELLED, OrderCancelledEvent),
        (OrderStatus.EXPIRED, OrderExpiredEvent),
    ],
)
def test_each_step_has_an_event_of_its_own_numbered_by_the_version(
    status: OrderStatus, kind: type[OrderMovedEvent]
) -> None:
    """The version is the event's seq."""
    order = replace(an_order(), status=status, version=3)
    event = moved(order, occurred_at=NOW)
    assert (type(event), event.seq, event.occurred_at) == (kind, 3, NOW)


def test_a_payment_that_is_refused_has_a_number_and_changes_nothing_else() -> None:
    """Wherever the order stands."""
    for status in OrderStatus:
        order = replace(an_order(), status=status, version=4)
        assert order.with_payment_refused() == replace(order, version=5)


def test_an_order_can_be_shown_as_it_was_whatever_has_become_of_it() -> None:
    """By status and version: nothing else of it changes."""
    order = an_order()
    paid = order.moved_to(OrderStatus.PAID, now=NOW)
    done = paid.with_payment_refused().moved_to(OrderStatus.FULFILLED, now=NOW)
    assert done.version == 4
    for then in (order, paid, done):
        assert done.as_it_was(then.status, then.version) == then


def test_a_payment_is_of_the_orders_total_in_its_currency() -> None:
    """To the minor unit; the refusal tells both sides."""
    order = an_order()
    a_payment(order).require_total_of(order)
    for wrong in ({"amount": order.total - 1}, {"amount": order.total + 1}, {"currency": "USD"}):
        with pytest.raises(PaymentAmountMismatchError) as refused:
            a_payment(order, **wrong).require_total_of(order)
        told = {"total": order.total, "currency": "KRW", "amount": order.total, "sentCurrency": "KRW"}
        sent = {"sentCurrency" if name == "currency" else name: value for name, value in wrong.items()}
        assert refused.value.facts == told | sent
