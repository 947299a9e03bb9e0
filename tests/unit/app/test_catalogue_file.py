"""The catalogue file: what it may say, and all of its faults with their lines."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.cli.catalogue_file import MAX_LINE_BYTES, CatalogueFile, CatalogueFileError, read_catalogue
from app.domain.coupon import Coupon, CouponKind
from app.domain.product import Product

PRODUCT = {"type": "product", "id": "p-1", "name": "Espresso beans 1 kg", "price": 1500, "currency": "KRW"}
COUPON = {"type": "coupon", "code": "A", "kind": "percent", "value": 10}


def read(*lines: bytes | dict[str, Any]) -> CatalogueFile:
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return read_catalogue(io.BytesIO(b"\n".join(encoded)))


def faults(*lines: bytes | dict[str, Any]) -> list[str]:
    with pytest.raises(CatalogueFileError) as refused:
        read(*lines)
    return refused.value.faults


def test_products_and_coupons_are_read_in_any_order() -> None:
    """With and without what may be left out; blank lines and a byte order mark do not matter."""
    fixed = COUPON | {
        "code": "B", "kind": "fixed", "currency": "EUR", "minimumSubtotal": 100, "totalLimit": 3,
        "customerLimit": 1, "validFrom": "2026-01-01T00:00:00Z", "validUntil": "2026-06-01T02:00:00+02:00",
    }  # fmt: skip
    catalogue = read(
        b"\xef\xbb\xbf" + json.dumps(COUPON).encode(),
        b"  \r",
        PRODUCT | {"stock": 7},
        fixed,
        PRODUCT | {"id": "p-2"},
        PRODUCT | {"id": "p-3", "sellerId": "m-1"},
    )
    assert catalogue.products == [
        Product("p-1", "Espresso beans 1 kg", 1500, "KRW", 7),
        Product("p-2", "Espresso beans 1 kg", 1500, "KRW", 0),
        Product("p-3", "Espresso beans 1 kg", 1500, "KRW", 0, "m-1"),
    ]
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert catalogue.coupons == [
        Coupon("A", CouponKind.PERCENT, 10),
        Coupon("B", CouponKind.FIXED, 10, "EUR", 100, since, until, 3, 1),
    ]
    assert catalogue.line_of == {
        "coupon A": 1,
        "product p-1": 3,
        "coupon B": 4,
        "product p-2": 5,
        "product p-3": 6,
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "Input data was truncated"),
        (b"\xff", "invalid"),
        (b"[]", "Expected `object`"),
        (b'{"id":"p-1"}', "missing required field `type`"),
        (PRODUCT | {"type": "thing"}, "`type`: Invalid value 'thing'"),
        (PRODUCT | {"id": "p 1"}, "`id`: "),
        (PRODUCT | {"id": "p-1\n"}, "`id`: "),
        (PRODUCT | {"name": ""}, "`name`: "),
        (PRODUCT | {"name": "a\u0000b"}, "`name` has a character"),
        (PRODUCT | {"price": -1}, "`price`: Expected `int` >= 0"),
        (PRODUCT | {"price": 1.5}, "`price`: "),
        (PRODUCT | {"price": 10**30}, "`price`: "),
        (PRODUCT | {"currency": "krw"}, "`currency`: "),
        (PRODUCT | {"stock": -1}, "`stock`: "),
        (PRODUCT | {"colour": "red"}, "unknown field `colour`"),
        (PRODUCT | {"seller": "m-1"}, "unknown field `seller`"),
        (PRODUCT | {"sellerId": ""}, "`sellerId`: "),
        (PRODUCT | {"sellerId": "m 1"}, "`sellerId`: "),
        (PRODUCT | {"sellerId": "m-1\n"}, "`sellerId`: "),
        (PRODUCT | {"sellerId": "m" * 65}, "`sellerId`: "),
        (PRODUCT | {"sellerId": "m\u00e9"}, "`sellerId`: "),
        (PRODUCT | {"sellerId": 7}, "`sellerId`: "),
        (COUPON | {"value": 101}, "more than 100 per cent"),
        (COUPON | {"value": 0}, "`value`: "),
        (COUPON | {"kind": "half"}, "`kind`: "),
        (COUPON | {"kind": "fixed"}, "`currency` is missing"),
        (COUPON | {"minimumSubtotal": 5}, "`currency` is missing"),
        (COUPON | {"totalLimit": 0}, "`totalLimit`: "),
        (COUPON | {"validFrom": "2026-01-01T00:00:00"}, "`validFrom`: "),
        (
            COUPON | {"validFrom": "2026-01-02T00:00:00Z", "validUntil": "2026-01-02T00:00:00Z"},
            "`validUntil` is not after",
        ),
        (
            b'{"type":"product","id":"p-1","price":1,"price":2,"name":"a","currency":"KRW"}',
            "`price` stands twice",
        ),
        (b'{"type":"coupon","code":"A","c\\u006fde":"B","kind":"percent","value":10}', "`code` stands twice"),
        (b"[" * 100_000, "line 2: "),
        (b" " * (MAX_LINE_BYTES + 1), "read no further"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(line: bytes | dict[str, Any], said: str) -> None:
    """The right one before it does not hide it."""
    (fault,) = faults(PRODUCT | {"id": "p-0"}, line)
    assert fault.startswith("line 2: ")
    assert said in fault


def test_every_fault_is_told_at_once() -> None:
    """One look, one edit; an id that stands there twice is named with its first line."""
    assert faults(PRODUCT, b"{", COUPON, PRODUCT, COUPON | {"value": 200, "kind": "percent"}) == [
        "line 2: Input data was truncated.",
        "line 4: product p-1 stands in line 1 already.",
        "line 5: coupon A stands in line 3 already.",
        "line 5: `value` is more than 100 per cent.",
    ]


def test_a_code_that_differs_in_case_or_blanks_only_is_the_same_code() -> None:
    """It is kept in capital letters, and named so."""
    assert [coupon.code for coupon in read(COUPON | {"code": " summer-5\t"}).coupons] == ["SUMMER-5"]
    assert faults(COUPON | {"code": "summer"}, COUPON | {"code": " Summer"}) == [
        "line 2: coupon SUMMER stands in line 1 already."
    ]


def test_an_empty_file_has_nothing_to_import() -> None:
    """It is no fault."""
    assert read() == CatalogueFile()
