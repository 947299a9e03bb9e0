"""Persistence: transactions on the catalogue, one at a time, beside the orders."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.application.catalogue_ports import CatalogueChange, StockMovement
from app.domain.coupon import Coupon, CouponKind
from app.domain.product import Product
from app.persistence.catalogue_tables import catalogue_audit, stock_audit
from app.persistence.products import product_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import coupons, products
from kits.postgres.schema import as_arrays, insert_from_arrays

# Two imports that insert the same new rows could wait for each other; orders never take this lock.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('catalogue'))")
_KEYS = bindparam("all_keys", type_=ARRAY(Text))
_LOCK_PRODUCTS = (
    select(products).where(products.c.id == func.any(_KEYS)).order_by(products.c.id).with_for_update()
)
_LOCK_COUPONS = (
    select(coupons).where(coupons.c.code == func.any(_KEYS)).order_by(coupons.c.code).with_for_update()
)

_PRODUCT_COLUMNS = tuple(column.name for column in products.columns)
_COUPON_COLUMNS = tuple(column.name for column in coupons.columns)
_insert_products = insert_from_arrays(products, *_PRODUCT_COLUMNS)
_PUT_PRODUCTS = _insert_products.on_conflict_do_update(
    index_elements=["id"],
    set_={name: _insert_products.excluded[name] for name in ("name", "price", "currency")},
)
_insert_coupons = insert_from_arrays(coupons, *_COUPON_COLUMNS)
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
_RECORD_CHANGES = insert_from_arrays(catalogue_audit, *_CHANGE_COLUMNS)
_MOVEMENT_COLUMNS = ("id", "actor", "product_id", "delta", "stock_after", "reason")
_RECORD_MOVEMENTS = insert_from_arrays(stock_audit, *_MOVEMENT_COLUMNS)


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
        return {row.code: Coupon(row.code, CouponKind(row.kind), *row[2:]) for row in found}

    async def put_products(self, wanted: Sequence[Product]) -> None:
        """One statement; a product that exists keeps its stock."""
        rows = [tuple(getattr(one, name) for name in _PRODUCT_COLUMNS) for one in wanted]
        await self._connection.execute(_PUT_PRODUCTS, as_arrays(_PRODUCT_COLUMNS, rows))

    async def put_coupons(self, wanted: Sequence[Coupon]) -> None:
        """One statement; a coupon that exists keeps its count of uses."""
        rows = [tuple(getattr(one, name) for name in _COUPON_COLUMNS) for one in wanted]
        await self._connection.execute(_PUT_COUPONS, as_arrays(_COUPON_COLUMNS, rows))

    async def record_changes(self, changes: Sequence[CatalogueChange]) -> None:
        """One statement."""
        rows = [_change_row(change) for change in changes]
        await self._connection.execute(_RECORD_CHANGES, as_arrays(_CHANGE_COLUMNS, rows))

    async def is_recorded(self, movement_id: str) -> bool:
        """Whether the audit has this movement."""
        query = select(stock_audit.c.id).where(stock_audit.c.id == movement_id)
        return (await self._connection.execute(query)).first() is not None

    async def move_stock(self, movement: StockMovement) -> None:
        """The table's CHECK refuses to go below zero."""
        await self._connection.execute(_MOVE, {"product": movement.product_id, "delta": movement.delta})

    async def record_movements(self, movements: Sequence[tuple[StockMovement, int]]) -> None:
        """One statement."""
        rows = [
            (one.movement_id, one.actor, one.product_id, one.delta, after, one.reason)
            for one, after in movements
        ]
        await self._connection.execute(_RECORD_MOVEMENTS, as_arrays(_MOVEMENT_COLUMNS, rows))


class SqlCatalogueTransactions:
    """Opens transactions on the catalogue: READ COMMITTED, committed by leaving the block."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[SqlCatalogueWork]:
        """One transaction, behind any other on the catalogue.

        Raises:
            StorageUnavailableError, StorageConflictError, StorageRefusedError: it could not be committed.
        """
        with storage_errors():
            async with self._engine.begin() as connection:
                await connection.execute(_ONE_AT_A_TIME)
                yield SqlCatalogueWork(connection)


def _change_row(change: CatalogueChange) -> tuple[Any, ...]:
    after = change.after
    kind, subject = ("product", after.id) if isinstance(after, Product) else ("coupon", after.code)
    before = _as_json(change.before) if change.before is not None else None
    return change.change_id, change.actor, change.source, kind, subject, before, _as_json(after)


def _as_json(thing: Product | Coupon) -> str:
    return msgspec.json.encode({k: v for k, v in asdict(thing).items() if k != "used_by"}).decode()
