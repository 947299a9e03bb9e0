"""Use cases: what a product, a coupon and a movement of stock may be, for files and doors alike."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.coupon import Coupon, CouponKind
from app.domain.product import Product

_FIRST_YEAR, _LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A rule that is broken: the member, as files and bodies name it, and how a sentence about it ends."""

    member: str
    detail: str


def product_faults(product: Product) -> list[RuleFault]:
    """What is wrong with a product beyond the shape of its members."""
    return _text_faults("name", product.name)


def movement_faults(quantity: int, reason: str) -> list[RuleFault]:
    """What is wrong with a movement beyond the shape of its members."""
    nothing = [] if quantity else [RuleFault("quantity", "is 0: nothing would move.")]
    return [*nothing, *_text_faults("reason", reason)]


def coupon_faults(coupon: Coupon) -> list[RuleFault]:
    """What is wrong with a coupon beyond the shape of its members."""
    faults = []
    if coupon.kind is CouponKind.PERCENT and coupon.value > 100:
        faults.append(RuleFault("value", "is more than 100 per cent."))
    if coupon.currency is None and (coupon.kind is CouponKind.FIXED or coupon.minimum_subtotal):
        missing = "is missing: a fixed value and a minimumSubtotal are amounts of money."
        faults.append(RuleFault("currency", missing))
    faults += _year_faults("validFrom", coupon.valid_from) + _year_faults("validUntil", coupon.valid_until)
    if coupon.valid_from and coupon.valid_until and coupon.valid_from >= coupon.valid_until:
        faults.append(RuleFault("validUntil", "is not after `validFrom`."))
    return faults


def _text_faults(member: str, text: str) -> list[RuleFault]:
    if not text.isprintable():
        return [RuleFault(member, "has a character that cannot be printed.")]
    return [] if text.strip() else [RuleFault(member, "is blank.")]


def _year_faults(member: str, moment: datetime | None) -> list[RuleFault]:
    # In UTC the first and the last years of the calendar may be none that a program can read again.
    if moment is None or _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return []
    return [RuleFault(member, f"is not in the years {_FIRST_YEAR} to {_LAST_YEAR}.")]
