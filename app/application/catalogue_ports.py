"""Ports: the shop's catalogue, as the people see it who keep it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.domain.coupon import Coupon
from app.domain.product import Product


@dataclass(frozen=True, slots=True)
class StockMovement:
    """A change of stock that is no order: `delta` pieces more (or fewer), who did it, and why.

    `movement_id` is fixed before the first attempt: another attempt can find what the first did.
    """

    movement_id: str
    product_id: str
    delta: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """What an import made of one product or coupon; `before` is None for a new one."""

    change_id: str
    actor: str
    source: str
    before: Product | Coupon | None
    after: Product | Coupon


class CatalogueWork(Protocol):
    """One transaction on the catalogue."""

    async def lock_products(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those of the products that exist, by id; rows locked in the order that orders lock them in."""
        ...

    async def lock_coupons(self, codes: Iterable[str]) -> Mapping[str, Coupon]:
        """Those of the coupons that exist, by code; rows locked in the order that orders lock them in."""
        ...

    async def put_products(self, products: Sequence[Product]) -> None:
        """Insert or update; a product that exists keeps its stock."""
        ...

    async def put_coupons(self, coupons: Sequence[Coupon]) -> None:
        """Insert or update; a coupon that exists keeps its count of uses."""
        ...

    async def record_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """Write the audit of an import."""
        ...

    async def is_recorded(self, movement_id: str) -> bool:
        """Whether this movement was committed by an attempt before."""
        ...

    async def move_stock(self, movement: StockMovement) -> None:
        """Change the stock of a locked product."""
        ...

    async def record_movements(self, movements: Sequence[tuple[StockMovement, int]]) -> None:
        """Write the audit of stock: each movement with the stock that it left."""
        ...


class CatalogueTransactions(Protocol):
    """Opens transactions on the catalogue, one at a time in the whole shop; orders go on beside them."""

    def __call__(self) -> AbstractAsyncContextManager[CatalogueWork]:
        """Leaving the block commits, an exception rolls everything back.

        Raises:
            StorageUnavailableError: whether it was committed is unknown.
            StorageBusyError, StorageConflictError, StorageRefusedError: nothing was committed.
        """
        ...
