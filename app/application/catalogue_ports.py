"""Ports: the shop's catalogue, as the people see it who keep it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.application.commands import IdempotencyKey
from app.application.key_ports import KeyClaim, KeyOwner
from app.domain.coupon import Coupon
from app.domain.product import Product


@dataclass(frozen=True, slots=True)
class StockMovement:
    """A change of stock that is no order: `delta` pieces more (or fewer), who did it, and why.

    `movement_id` is fixed before the first attempt: another attempt can find what the first did.
    `idempotency` is a key of the actor's.
    """

    movement_id: str
    product_id: str
    delta: int
    actor: str
    reason: str
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class RecordedMovement:
    """A movement that is done, with the stock that it left; `replayed` if an earlier request has done it."""

    movement: StockMovement
    stock_after: int
    at: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Editor:
    """Who changes the catalogue, and by what: a file, a door."""

    actor: str
    source: str


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """What became of one product or coupon; `before` is None for a new one."""

    change_id: str
    actor: str
    source: str
    before: Product | Coupon | None
    after: Product | Coupon


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A line of the catalogue's audit: `kind` is product or coupon, `subject` its id or code."""

    editor: Editor
    kind: str
    subject: str
    before: Mapping[str, object] | None
    after: Mapping[str, object]
    at: datetime


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
        """Write the audit of the catalogue."""
        ...

    async def claim_key(self, claim: KeyClaim) -> KeyOwner | None:
        """Claim an idempotency key, before any other lock; its owner if it is taken.

        Raises:
            IdempotencyKeyWaitError: another transaction holds the key and does not end.
        """
        ...

    async def find_movement(self, movement_id: str) -> RecordedMovement | None:
        """This movement, if it is done: by this transaction, an attempt or a request before."""
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


class CatalogueReader(Protocol):
    """Reads of what is committed, for those who keep the catalogue."""

    async def has_product(self, product_id: str) -> bool:
        """Whether the shop has it."""
        ...

    async def coupon(self, code: str) -> Coupon | None:
        """One coupon, without who used it."""
        ...

    async def movements(
        self, product_id: str | None, *, before: str | None = None, limit: int
    ) -> list[RecordedMovement]:
        """Up to `limit` movements of this product (None: of any), newest first, from `before` it on."""
        ...


class CatalogueAuditReader(CatalogueReader, Protocol):
    """What an operator's command reads besides."""

    async def changes(self, *, product_id: str | None, code: str | None, limit: int) -> list[RecordedChange]:
        """Up to `limit` changes of this product or this coupon (both None: of any), newest first."""
        ...
