"""Use cases: brings the catalogue to what a file says, beside running orders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from app.application.catalogue_attempts import attempt
from app.application.catalogue_changes import (
    Verdict,
    coupon_pairs,
    low_limits,
    product_pairs,
    verdict,
    write_coupons,
    write_products,
)
from app.application.catalogue_errors import CouponLimitsError
from app.application.catalogue_ports import CatalogueTransactions, Editor, StockMovement
from app.application.ports import NewId
from app.domain.coupon import Coupon
from app.domain.product import Product

BATCH = 500

T = TypeVar("T", Product, Coupon)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import, who asks for it, and where it comes from; each id and code stands there once."""

    products: Sequence[Product]
    coupons: Sequence[Coupon]
    actor: str
    source: str
    dry_run: bool = False

    @property
    def editor(self) -> Editor:
        """Who changes what differs, and by what."""
        return Editor(self.actor, self.source)


@dataclass(slots=True)
class ImportTally:
    """How many products and coupons were new, changed and unchanged."""

    products: Counter[Verdict] = field(default_factory=Counter)
    coupons: Counter[Verdict] = field(default_factory=Counter)


class CatalogueImport:
    """Inserts what is new and updates what differs, in batches that hold their locks for moments.

    A batch is one transaction over products alone or coupons alone, its rows locked in the order that orders
    lock them in. A product that exists keeps its stock, since orders take from it meanwhile; `stock` of the
    file is the opening stock of a new one. A coupon keeps its count of uses. Importing the same again changes
    nothing, so an import that failed half-way is finished by repeating it.
    """

    def __init__(self, transactions: CatalogueTransactions, new_id: NewId) -> None:
        self._transactions = transactions
        self._new_id = new_id

    async def run(self, request: ImportRequest) -> ImportTally:
        """Import everything, or with `dry_run` only tell what would be done.

        Raises:
            CouponLimitsError: nothing was written; unless a coupon was used in the same moment, then batches
                before that one stay.
            StorageError: batches before the failed one stay.
        """
        tally = ImportTally()
        coupons = list(_batches(sorted(request.coupons, key=lambda coupon: coupon.code)))
        await self._require_limits(coupons)
        for products in _batches(sorted(request.products, key=lambda product: product.id)):
            tally.products += await attempt(partial(self._put_products, products, request))
        for batch in coupons:
            tally.coupons += await attempt(partial(self._put_coupons, batch, request))
        return tally

    async def _require_limits(self, batches: Sequence[Sequence[Coupon]]) -> None:
        too_low: dict[str, int] = {}
        for coupons in batches:
            too_low |= await attempt(partial(self._find_low_limits, coupons))
        if too_low:
            raise CouponLimitsError(too_low)

    async def _find_low_limits(self, coupons: Sequence[Coupon]) -> dict[str, int]:
        async with self._transactions() as work:
            return low_limits(await work.lock_coupons(coupon.code for coupon in coupons), coupons)

    async def _put_products(self, products: Sequence[Product], request: ImportRequest) -> Counter[Verdict]:
        async with self._transactions() as work:
            pairs = product_pairs(await work.lock_products(product.id for product in products), products)
            if not request.dry_run:
                await write_products(work, pairs, request.editor, self._new_id)
                opened = [after for before, after in pairs if before is None and after.stock]
                await work.record_movements([(self._opening(one, request), one.stock) for one in opened])
        return Counter(verdict(before, after) for before, after in pairs)

    async def _put_coupons(self, coupons: Sequence[Coupon], request: ImportRequest) -> Counter[Verdict]:
        async with self._transactions() as work:
            pairs = coupon_pairs(await work.lock_coupons(coupon.code for coupon in coupons), coupons)
            if not request.dry_run:
                await write_coupons(work, pairs, request.editor, self._new_id)
        return Counter(verdict(before, after) for before, after in pairs)

    def _opening(self, product: Product, request: ImportRequest) -> StockMovement:
        reason = f"opening stock, imported from {request.source}"
        return StockMovement(self._new_id(), product.id, product.stock, request.actor, reason)


def _batches(everything: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]
