"""Use cases: one product or coupon is brought to what somebody of the shop's staff says."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from app.application.catalogue_attempts import attempt_for_caller
from app.application.catalogue_changes import (
    Verdict,
    coupon_pairs,
    fingerprint,
    product_pairs,
    verdict,
    write_coupons,
    write_products,
)
from app.application.catalogue_errors import CatalogueChangedError
from app.application.catalogue_ports import CatalogueTransactions, Editor
from app.application.ports import NewId
from app.domain.coupon import Coupon
from app.domain.product import Product
from kits.observability.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T", Product, Coupon)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the caller has in mind: that it is there, and what its `fingerprint` is one of (None: any)."""

    must_exist: bool = False
    fingerprints: frozenset[str] | None = None


class CatalogueKeeping:
    """Each change is one transaction with its audit; the same again changes nothing and is not audited.

    A product keeps its stock, a coupon its count of uses, as in an import. Raised by every change:
    CatalogueChangedError, it is not as expected; StorageError, see `attempt_for_caller`, the change may be
    sent again.
    """

    def __init__(self, transactions: CatalogueTransactions, new_id: NewId) -> None:
        self._transactions = transactions
        self._new_id = new_id

    async def put_product(
        self, product: Product, editor: Editor, expected: Precondition
    ) -> tuple[Verdict, Product]:
        """What became of the product, and what it is now."""
        return await attempt_for_caller(partial(self._put_product, product, editor, expected))

    async def put_coupon(
        self, coupon: Coupon, editor: Editor, expected: Precondition
    ) -> tuple[Verdict, Coupon]:
        """What became of the coupon, and what it is now.

        Raises:
            CouponLimitsError: it is used more often already than its new limit allows.
        """
        return await attempt_for_caller(partial(self._put_coupon, coupon, editor, expected))

    async def _put_product(
        self, product: Product, editor: Editor, expected: Precondition
    ) -> tuple[Verdict, Product]:
        async with self._transactions() as work:
            existing = await work.lock_products([product.id])
            _require(expected, existing.get(product.id), f"Product {product.id}")
            pairs = product_pairs(existing, [product])
            await write_products(work, pairs, editor, self._new_id)
        return _outcome(pairs, "product", product.id)

    async def _put_coupon(
        self, coupon: Coupon, editor: Editor, expected: Precondition
    ) -> tuple[Verdict, Coupon]:
        async with self._transactions() as work:
            existing = await work.lock_coupons([coupon.code])
            _require(expected, existing.get(coupon.code), f"Coupon {coupon.code}")
            pairs = coupon_pairs(existing, [coupon])
            await write_coupons(work, pairs, editor, self._new_id)
        return _outcome(pairs, "coupon", coupon.code)


def _require(expected: Precondition, found: Product | Coupon | None, name: str) -> None:
    if found is None and expected.must_exist:
        raise CatalogueChangedError(f"{name} does not exist. Nothing was changed.")
    wanted = expected.fingerprints
    if found is not None and wanted is not None and fingerprint(found) not in wanted:
        raise CatalogueChangedError(f"{name} has changed meanwhile. Nothing was changed now.")


def _outcome(pairs: Sequence[tuple[T | None, T]], kind: str, subject: str) -> tuple[Verdict, T]:
    ((before, after),) = pairs
    became = verdict(before, after)
    if became is not Verdict.UNCHANGED:
        log.info("catalogue_changed", kind=kind, subject=subject, verdict=became.value)
    return became, after
