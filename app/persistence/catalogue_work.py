"""Persistence: transactions on the catalogue, one at a time, beside the orders."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

from sqlalchemy import ARRAY, Text, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.application.catalogue_ports import CatalogueChange, RecordedMovement, StockMovement
from app.application.key_ports import KeyClaim, KeyOwner
from app.domain.coupon import Coupon
from app.domain.product import Product
from app.persistence.catalogue_rows import coupon_of, movement_of
from app.persistence.catalogue_tables import catalogue_audit, stock_audit
from app.persistence.idempotency import SqlIdempotencyRepository
from app.persistence.products import product_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import coupons, products
from kits.postgres.driver import beneath
from kits.postgres.schema import as_document, insert_from_document

# Two imports that insert the same new rows could wait for each other; orders never take this lock.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('catalogue'))")
# A batch that waits for one row holds hundreds that orders need: it gives up soon, and is tried again.
_HURRIED = text("SET LOCAL lock_timeout = '100ms'")
_KEYS = bindparam("all_keys", type_=ARRAY(Text))
_LOCK_PRODUCTS = (
    select(products).where(products.c.id == func.any(_KEYS)).order_by(products.c.id).with_for_update()
)
_LOCK_COUPONS = (
    select(coupons).where(coupons.c.code == func.any(_KEYS)).order_by(coupons.c.code).with_for_update()
)

_PRODUCT_COLUMNS = tuple(column.name for column in products.columns)
_COUPON_COLUMNS = tuple(column.name for column in coupons.columns)
_insert_products = insert_from_document(products, *_PRODUCT_COLUMNS)
_PUT_PRODUCTS = _insert_products.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _insert_products.excluded[name] for name in ("name", "price", "currency", "seller_id")},
)
_insert_coupons = insert_from_document(coupons, *_COUPON_COLUMNS)
_PUT_COUPONS = _insert_coupons.on_conflict_do_update(
    index_elements=["code"],
    set_={name: _insert_coupons.excluded[name] for name in _COUPON_COLUMNS if name not in {"code", "used"}},
)
_MOVE = (
    update(products)
    .where(products.c.id == bindparam("product"))
    .values(stock=products.c.stock + bindparam("delta"))
)
_CHANGE_COLUMNS = ("id", "actor", "source", "kind", "subject", "before", "after")
_RECORD_CHANGES = insert_from_document(catalogue_audit, *_CHANGE_COLUMNS)
_MOVEMENT_COLUMNS = ("id", "actor", "product_id", "delta", "stock_after", "reason")
_RECORD_MOVEMENTS = insert_from_document(stock_audit, *_MOVEMENT_COLUMNS)


class SqlCatalogueWork:
    """What one transaction on the catalogue works with; leaving its block commits."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_products(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those that exist, by id."""
        found = await self._connection.execute(_LOCK_PRODUCTS, {"all_keys": sorted(product_ids)})
        return {row["id"]: product_of(row) for row in found.mappings()}

    async def lock_coupons(self, codes: Iterable[str]) -> Mapping[str, Coupon]:
        """Those that exist, by code, without who used them."""
        found = await self._connection.execute(_LOCK_COUPONS, {"all_keys": sorted(codes)})
        return {row.code: coupon_of(row) for row in found}

    async def put_products(self, wanted: Sequence[Product]) -> None:
        """One statement; a product that exists keeps its stock."""
        await self._connection.execute(_PUT_PRODUCTS, as_document(wanted))

    async def put_coupons(self, wanted: Sequence[Coupon]) -> None:
        """One statement; a coupon that exists keeps its count of uses."""
        await self._connection.execute(_PUT_COUPONS, as_document(wanted))

    async def record_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """One statement."""
        await self._connection.execute(
            _RECORD_CHANGES, as_document([_change_row(change) for change in changes])
        )

    async def claim_key(self, claim: KeyClaim) -> KeyOwner | None:
        """On the driver's side of the same transaction."""
        keys = SqlIdempotencyRepository(await beneath(self._connection))
        return (await keys.claim([claim])).get(claim.order_id)

    async def find_movement(self, movement_id: str) -> RecordedMovement | None:
        """As the audit has it."""
        query = select(stock_audit).where(stock_audit.c.id == movement_id)
        row = (await self._connection.execute(query)).first()
        return movement_of(row) if row else None

    async def move_stock(self, movement: StockMovement) -> None:
        """The table's CHECK refuses to go below zero."""
        await self._connection.execute(_MOVE, {"product": movement.product_id, "delta": movement.delta})

    async def record_movements(self, movements: Sequence[tuple[StockMovement, int]]) -> None:
        """One statement."""
        rows = [_movement_row(movement, after) for movement, after in movements]
        await self._connection.execute(_RECORD_MOVEMENTS, as_document(rows))


class SqlCatalogueTransactions:
    """Opens transactions on the catalogue: READ COMMITTED, committed by leaving the block."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[SqlCatalogueWork]:
        """One transaction, behind any other on the catalogue.

        Raises:
            StorageUnavailableError: whether it was committed is unknown.
            StorageBusyError, StorageConflictError, StorageRefusedError: nothing was committed.
        """
        with storage_errors():
            async with self._engine.begin() as connection:
                await connection.execute(_ONE_AT_A_TIME)
                await connection.execute(_HURRIED)
                yield SqlCatalogueWork(connection)


def _change_row(change: CatalogueChange) -> dict[str, object]:
    after = change.after
    kind, subject = ("product", after.id) if isinstance(after, Product) else ("coupon", after.code)
    return {
        "id": change.change_id,
        "actor": change.actor,
        "source": change.source,
        "kind": kind,
        "subject": subject,
        "before": _kept(change.before) if change.before is not None else None,
        "after": _kept(after),
    }


def _movement_row(movement: StockMovement, stock_after: int) -> dict[str, object]:
    return {
        "id": movement.movement_id,
        "actor": movement.actor,
        "product_id": movement.product_id,
        "delta": movement.delta,
        "stock_after": stock_after,
        "reason": movement.reason,
    }


def _kept(thing: Product | Coupon) -> dict[str, object]:
    return {name: value for name, value in asdict(thing).items() if name != "used_by"}
