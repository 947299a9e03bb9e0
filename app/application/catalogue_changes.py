"""Use cases: products and coupons are written with their audit, in a transaction that is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from hashlib import blake2b
from typing import TypeVar

import msgspec

from app.application.catalogue_errors import CouponLimitsError
from app.application.catalogue_ports import CatalogueChange, CatalogueWork, Editor
from app.application.ports import NewId
from app.domain.coupon import Coupon
from app.domain.product import Product

T = TypeVar("T", Product, Coupon)


class Verdict(StrEnum):
    """What a write does to one product or coupon."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


def verdict(before: T | None, after: T) -> Verdict:
    """What becomes of one of them."""
    if before is None:
        return Verdict.NEW
    return Verdict.UNCHANGED if before == after else Verdict.CHANGED


def product_pairs(
    existing: Mapping[str, Product], wanted: Iterable[Product]
) -> list[tuple[Product | None, Product]]:
    """Before and after of each; one that exists keeps its stock, since orders take from it meanwhile."""
    pairs: list[tuple[Product | None, Product]] = []
    for product in wanted:
        before = existing.get(product.id)
        stock = product.stock if before is None else before.stock
        pairs.append((before, replace(product, stock=stock)))
    return pairs


def coupon_pairs(
    existing: Mapping[str, Coupon], wanted: Sequence[Coupon]
) -> list[tuple[Coupon | None, Coupon]]:
    """Before and after of each; one that exists keeps its count of uses.

    Raises:
        CouponLimitsError: some are used more often already than their new limit allows.
    """
    if too_low := low_limits(existing, wanted):
        raise CouponLimitsError(too_low)
    return [_with_uses_kept(existing.get(coupon.code), coupon) for coupon in wanted]


def low_limits(existing: Mapping[str, Coupon], wanted: Iterable[Coupon]) -> dict[str, int]:
    """How often those are used whose new limit is lower than that, by code."""
    limits = {coupon.code: coupon.total_limit for coupon in wanted if coupon.total_limit is not None}
    return {
        code: existing[code].used
        for code, limit in limits.items()
        if code in existing and existing[code].used > limit
    }


async def write_products(
    work: CatalogueWork, pairs: Sequence[tuple[Product | None, Product]], editor: Editor, new_id: NewId
) -> None:
    """Store what differs, and who did it."""
    await work.put_products([after for before, after in pairs if before != after])
    await work.record_changes(_changes(pairs, editor, new_id))


async def write_coupons(
    work: CatalogueWork, pairs: Sequence[tuple[Coupon | None, Coupon]], editor: Editor, new_id: NewId
) -> None:
    """Store what differs, and who did it."""
    await work.put_coupons([after for before, after in pairs if before != after])
    await work.record_changes(_changes(pairs, editor, new_id))


def fingerprint(kept: Product | Coupon) -> str:
    """16 hex digits of what a write may change: neither the stock nor the uses, which orders change."""
    if isinstance(kept, Product):
        terms: tuple[object, ...] = (kept.name, kept.price, kept.currency, kept.seller_id)
    else:
        limits = (kept.total_limit, kept.customer_limit)
        valid = (kept.valid_from, kept.valid_until)
        terms = (kept.kind, kept.value, kept.currency, kept.minimum_subtotal, *valid, *limits)
    return blake2b(msgspec.json.encode(terms), digest_size=8).hexdigest()


def _with_uses_kept(before: Coupon | None, wanted: Coupon) -> tuple[Coupon | None, Coupon]:
    if before is None:
        return None, wanted
    return before, replace(wanted, used=before.used, used_by=before.used_by)


def _changes(pairs: Sequence[tuple[T | None, T]], editor: Editor, new_id: NewId) -> list[CatalogueChange]:
    return [
        CatalogueChange(new_id(), editor.actor, editor.source, before, after)
        for before, after in pairs
        if before != after
    ]
