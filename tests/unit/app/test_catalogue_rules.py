"""What a product and a coupon may be: a file and a door have one answer, which the tables agree with."""

import io
import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.api.catalogue_schemas import CouponTerms, ProductTerms
from app.application.catalogue_rules import coupon_faults, movement_faults, product_faults
from app.cli.catalogue_file import CatalogueFileError, read_catalogue
from app.domain.coupon import Coupon, CouponKind
from app.domain.product import Product

T = TypeVar("T")
NAMES = st.text("aZ \u00a0\u0000\u00e9\u202e\n\u2028", max_size=4)
AMOUNTS = st.sampled_from([-1, 0, 1, 100, 101, 10**10, 10**10 + 1, 10**27])
CURRENCIES = st.sampled_from([None, "KRW", "krw", "EURO", ""])
MOMENTS = st.sampled_from(
    [
        None,
        "2026-01-01T00:00:00Z",
        "2027-01-01T00:00:00+09:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
    ]
)
PRODUCTS = st.fixed_dictionaries(
    {"name": NAMES, "price": AMOUNTS, "currency": CURRENCIES}, optional={"sellerId": NAMES, "colour": NAMES}
)
COUPONS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["percent", "fixed", "other"]), "value": AMOUNTS},
    optional={
        "currency": CURRENCIES,
        "minimumSubtotal": AMOUNTS,
        "validFrom": MOMENTS,
        "validUntil": MOMENTS,
        "totalLimit": AMOUNTS,
        "customerLimit": AMOUNTS,
        "used": AMOUNTS,
    },
)


def in_a_file(entry: dict[str, Any]) -> bool:
    try:
        read_catalogue(io.BytesIO(json.dumps(entry).encode()))
    except CatalogueFileError:
        return False
    return True


def at_the_door(body: dict[str, Any], terms: type[msgspec.Struct], make: Callable[..., T]) -> T | None:
    try:
        return make(**msgspec.structs.asdict(msgspec.convert(body, terms)))
    except msgspec.ValidationError:
        return None


@given(PRODUCTS)
def test_a_file_and_a_door_take_the_same_products(body: dict[str, Any]) -> None:
    """And each of them can be kept: printable, priced within bounds, in a currency."""
    product = at_the_door(body, ProductTerms, partial(Product, id="p-1", stock=0))
    taken = product is not None and not product_faults(product)
    assert in_a_file({"type": "product", "id": "p-1", **body}) == taken
    if product and taken:
        assert product.name.strip()
        assert product.name.isprintable()
        assert 0 <= product.price <= 10**10
        assert len(product.currency) == 3


@given(COUPONS)
def test_a_file_and_a_door_take_the_same_coupons(body: dict[str, Any]) -> None:
    """And each of them passes the table's own checks, and is read again as it was written."""
    coupon = at_the_door(body, CouponTerms, partial(Coupon, code="A"))
    taken = coupon is not None and not coupon_faults(coupon)
    assert in_a_file({"type": "coupon", "code": "A", **body}) == taken
    if coupon and taken:
        assert coupon.value > 0
        assert coupon.kind is CouponKind.FIXED or coupon.value <= 100
        assert coupon.currency or (coupon.kind is CouponKind.PERCENT and not coupon.minimum_subtotal)
        moments = [one for one in (coupon.valid_from, coupon.valid_until) if one]
        assert sorted(moments) == moments
        assert all(1900 < one.year < 9999 for one in moments)


@given(st.integers(), NAMES)
def test_a_movement_has_a_number_and_a_reason(quantity: int, reason: str) -> None:
    good = quantity != 0 and bool(reason.strip()) and reason.isprintable()
    assert (not movement_faults(quantity, reason)) == good
