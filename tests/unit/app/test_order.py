"""An order and its discount, in plain Python."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.coupon import CouponKind
from app.domain.errors import (
    CouponExhaustedError,
    CouponExpiredError,
    CouponNotApplicableError,
    InvalidRequestError,
    MixedCurrenciesError,
    OutOfStockError,
)
from app.domain.order import OrderStatus
from tests.builders import NOW, a_coupon, a_product, an_order


def test_a_placed_order_is_pending_at_version_one_and_remembers_names_and_prices() -> None:
    """What the customer saw is what the order keeps."""
    order = an_order((a_product("p-1", price=15_000), 2), (a_product("p-2", price=700), 1))
    assert (order.status, order.version) == (OrderStatus.PENDING, 1)
    assert (order.subtotal, order.discount, order.total) == (30_700, 0, 30_700)
    assert [(line.name, line.unit_price) for line in order.lines] == [
        ("Product p-1", 15_000),
        ("Product p-2", 700),
    ]
    assert order.expires_at - order.created_at == timedelta(minutes=15)


def test_an_order_over_more_than_the_stock_names_what_is_left() -> None:
    """The customer can order less at once."""
    with pytest.raises(OutOfStockError) as refusal:
        an_order((a_product("p-1", stock=3), 4))
    assert refusal.value.facts == {"product": "p-1", "available": 3}


def test_a_refused_order_leaves_the_stock_alone() -> None:
    """Placing looks at the stock; only taking changes it."""
    plenty, scarce = a_product("p-1", stock=10), a_product("p-2", stock=0)
    with pytest.raises(OutOfStockError):
        an_order((plenty, 1), (scarce, 1))
    assert (plenty.stock, scarce.stock) == (10, 0)


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param([(a_product("p-1"), 0)], id="no pieces"),
        pytest.param([(a_product("p-1"), 1), (a_product("p-1"), 1)], id="the same product twice"),
    ],
)
def test_an_order_names_each_product_once_and_takes_some_of_it(selection: list[tuple[object, int]]) -> None:
    """Anything else would count stock wrongly."""
    with pytest.raises(InvalidRequestError):
        an_order(*selection)  # type: ignore[arg-type]


def test_one_order_has_one_currency() -> None:
    """There is no rate at which to add them up."""
    with pytest.raises(MixedCurrenciesError, match="EUR, KRW"):
        an_order((a_product("p-1"), 1), (a_product("p-2", currency="EUR"), 1))


@given(price=st.integers(0, 10_000_000_000), quantity=st.integers(1, 1_000), percent=st.integers(1, 100))
def test_discount_and_total_always_make_the_subtotal(price: int, quantity: int, percent: int) -> None:
    """Percentages round down to a whole minor unit, and never beyond the subtotal."""
    order = an_order((a_product(price=price, stock=quantity), quantity))
    discounted = order.discounted_by(a_coupon(value=percent))
    assert discounted.discount + discounted.total == discounted.subtotal == price * quantity
    assert discounted.discount == price * quantity * percent // 100


def test_a_fixed_coupon_takes_off_no_more_than_the_subtotal() -> None:
    """The shop never pays the customer."""
    coupon = a_coupon(kind=CouponKind.FIXED, value=50_000, currency="KRW")
    assert an_order((a_product(price=30_000), 1)).discounted_by(coupon).total == 0


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        pytest.param({"valid_from": NOW + timedelta(seconds=1)}, CouponExpiredError, id="not valid yet"),
        pytest.param({"valid_until": NOW}, CouponExpiredError, id="no longer valid"),
        pytest.param({"currency": "EUR"}, CouponNotApplicableError, id="another currency"),
        pytest.param(
            {"currency": "KRW", "minimum_subtotal": 30_001}, CouponNotApplicableError, id="too small an order"
        ),
        pytest.param({"total_limit": 5, "used": 5}, CouponExhaustedError, id="used up"),
    ],
)
def test_a_coupon_that_does_not_apply_says_why(values: dict[str, Any], refusal: type[Exception]) -> None:
    """Each reason has a code of its own."""
    with pytest.raises(refusal):
        an_order().discounted_by(a_coupon(**values))


def test_a_coupon_with_a_limit_per_customer_counts_each_customer_alone() -> None:
    """One customer's use does not use up another's."""
    coupon = a_coupon(customer_limit=1)
    coupon.use("somebody else")
    an_order().discounted_by(coupon)
    coupon.use("c-1")
    with pytest.raises(CouponExhaustedError):
        an_order().discounted_by(coupon)
