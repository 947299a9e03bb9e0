"""The check-out and its quote, which is the same check-out that takes nothing."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.application.checkout import Checkout
from app.application.commands import CreateOrder
from app.domain.coupon import CouponKind
from app.domain.errors import MixedCurrenciesError, OrderError, UnknownProductError
from app.domain.order import Order
from tests.builders import NOW, a_command, a_coupon, a_product

PRICED = st.tuples(st.integers(0, 10**6), st.integers(0, 4), st.sampled_from(["KRW", "KRW", "KRW", "EUR"]))
COUPONS: list[dict[str, Any]] = [
    {},
    {"kind": CouponKind.FIXED, "value": 700, "currency": "KRW"},
    {"valid_until": NOW},
    {"currency": "EUR"},
    {"currency": "KRW", "minimum_subtotal": 500_000},
    {"total_limit": 0},
    {"customer_limit": 1, "used_by": Counter({"c-1": 1})},
]


def a_checkout(**values: object) -> Checkout:
    """With two products and the coupons of a test."""
    chosen = {
        "products": {"p-1": a_product("p-1", stock=3), "p-2": a_product("p-2", stock=0)},
        "coupons": {},
        "now": NOW,
        "time_to_live": timedelta(minutes=15),
        **values,
    }
    return Checkout(**chosen)  # type: ignore[arg-type]


@given(
    st.dictionaries(st.sampled_from(["p-1", "p-2", "p-3"]), PRICED, min_size=1),
    st.dictionaries(st.sampled_from(["p-1", "p-2", "p-3"]), st.integers(1, 5), min_size=1),
    st.sampled_from(COUPONS),
    st.sampled_from([None, "WELCOME10", "NONE"]),
    st.integers(0, 2),
)
def test_a_quote_says_what_becomes_of_the_order(
    shelf: dict[str, tuple[int, int, str]],
    asked: dict[str, int],
    coupon: dict[str, Any],
    code: str | None,
    open_orders: int,
) -> None:
    """Without refusals the order is placed with the quote's amounts; else for one of them it is not."""
    products = {
        name: a_product(name, price=price, stock=stock, currency=currency)
        for name, (price, stock, currency) in shelf.items()
    }
    checkout = a_checkout(
        products=products,
        coupons={"WELCOME10": a_coupon(**coupon)},
        max_open_orders=2,
        open_orders=Counter({"c-1": open_orders}),
    )
    command = a_command(*asked.items(), coupon=code)
    before = [product.stock for product in products.values()]
    try:
        quote = checkout.quote(command)
    except (UnknownProductError, MixedCurrenciesError):
        assert isinstance(checkout.attempt(command), OrderError)
        return
    assert (checkout.placed, [product.stock for product in products.values()]) == ([], before)
    outcome = checkout.attempt(command)
    if quote.refusals:
        assert (type(outcome), str(outcome)) == (type(quote.refusals[0]), str(quote.refusals[0]))
    else:
        assert outcome == quote.order


def codes(checkout: Checkout, command: CreateOrder) -> list[str]:
    """Of all refusals."""
    return [refusal.code for refusal in checkout.quote(command).refusals]


def test_a_quote_lists_everything_that_stands_against_the_order_at_once() -> None:
    """An order names the first of it only."""
    checkout = a_checkout(max_open_orders=1, open_orders=Counter({"c-1": 1}))
    command = a_command(("p-1", 4), ("p-2", 1), coupon="NONE")
    expected = ["too_many_open_orders", "out_of_stock", "out_of_stock", "coupon_not_found"]
    assert codes(checkout, command) == expected
    quote = checkout.quote(command)
    assert (quote.order.total, quote.stock) == (75_000, {"p-1": 3, "p-2": 0})
    assert quote.coupon_refusal is quote.refusals[-1]


def test_a_quote_uses_no_coupon_up() -> None:
    """However often it is asked for."""
    coupon = a_coupon(total_limit=1)
    checkout = a_checkout(coupons={"WELCOME10": coupon})
    command = a_command(coupon="WELCOME10")
    assert [codes(checkout, command) for _ in range(3)] == [[], [], []]
    assert coupon.used == 0
    assert isinstance(checkout.attempt(command), Order)
    assert codes(checkout, command) == ["coupon_exhausted"]


def test_what_can_never_be_an_order_gets_no_quote() -> None:
    """Nothing could be said of its price."""
    with pytest.raises(UnknownProductError):
        a_checkout().quote(a_command(("p-1", 1), ("p-9", 1)))
    euro = {"p-1": a_product("p-1"), "p-2": a_product("p-2", currency="EUR")}
    with pytest.raises(MixedCurrenciesError):
        a_checkout(products=euro).quote(a_command(("p-1", 1), ("p-2", 1)))
