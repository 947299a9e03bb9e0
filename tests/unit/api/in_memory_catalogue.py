"""A catalogue in memory, for the use cases that keep it: a transaction that is refused leaves no trace."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace

from app.application.catalogue_ports import (
    CatalogueChange,
    RecordedMovement,
    StockMovement,
)
from app.application.key_ports import KeyClaim, KeyOwner
from app.domain.coupon import Coupon
from app.domain.product import Product
from tests.builders import NOW


class InMemoryCatalogue:
    """Stands in for CatalogueTransactions, CatalogueWork and CatalogueReader, over a shop's own."""

    def __init__(self, products: dict[str, Product], coupons: dict[str, Coupon]) -> None:
        self.products = products
        self.coupons = coupons
        self.audit: list[CatalogueChange] = []
        self.done: dict[str, RecordedMovement] = {}
        self.keys: dict[tuple[str, str, str], KeyOwner] = {}

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["InMemoryCatalogue"]:
        """One transaction."""
        kept = deepcopy((self.products, self.coupons, self.audit, self.done, self.keys))
        try:
            yield self
        except Exception:
            products, coupons, self.audit, self.done, self.keys = kept
            self.products.clear()
            self.products.update(products)
            self.coupons.clear()
            self.coupons.update(coupons)
            raise

    async def claim_key(self, claim: KeyClaim) -> KeyOwner | None:
        """Taken, or its owner."""
        name = (claim.customer_id, claim.route, claim.key)
        found = self.keys.get(name)
        self.keys.setdefault(name, KeyOwner(claim.order_id, claim.request_hash))
        return found

    async def find_movement(self, movement_id: str) -> RecordedMovement | None:
        """By its id."""
        return self.done.get(movement_id)

    async def lock_products(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Copies of those that exist."""
        return {one: replace(self.products[one]) for one in product_ids if one in self.products}

    async def lock_coupons(self, codes: Iterable[str]) -> Mapping[str, Coupon]:
        """Copies of those that exist."""
        return {one: replace(self.coupons[one]) for one in codes if one in self.coupons}

    async def put_products(self, products: Sequence[Product]) -> None:
        """By id."""
        self.products.update({one.id: one for one in products})

    async def put_coupons(self, coupons: Sequence[Coupon]) -> None:
        """By code."""
        self.coupons.update({one.code: one for one in coupons})

    async def record_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """In the order in which they come."""
        self.audit += changes

    async def move_stock(self, movement: StockMovement) -> None:
        """Of a product that exists."""
        self.products[movement.product_id].stock += movement.delta

    async def record_movements(self, movements: Sequence[tuple[StockMovement, int]]) -> None:
        """All at one moment."""
        for movement, after in movements:
            self.done[movement.movement_id] = RecordedMovement(movement, after, NOW)

    async def has_product(self, product_id: str) -> bool:
        """Whether it exists."""
        return product_id in self.products

    async def coupon(self, code: str) -> Coupon | None:
        """By its code."""
        return self.coupons.get(code)

    async def movements(
        self, product_id: str | None, *, before: str | None = None, limit: int
    ) -> list[RecordedMovement]:
        """Newest first."""
        moved = [one for one in reversed(self.done.values()) if one.movement.product_id == product_id]
        ids = [one.movement.movement_id for one in moved]
        return moved[ids.index(before) + 1 if before in ids else 0 :][:limit]
