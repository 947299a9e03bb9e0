"""Persistence: reads of the catalogue and its audits, each one statement."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.catalogue_ports import RecordedChange, RecordedMovement
from app.domain.coupon import Coupon
from app.persistence.catalogue_rows import change_of, coupon_of, movement_of
from app.persistence.catalogue_tables import catalogue_audit, stock_audit
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import coupons, products
from kits.postgres.pools import run_again_once

_moved, _changed = stock_audit.c, catalogue_audit.c


class SqlCatalogueReader:
    """Reads what is committed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def has_product(self, product_id: str) -> bool:
        """By its key."""
        return bool(await self._read(select(products.c.id).where(products.c.id == product_id)))

    async def coupon(self, code: str) -> Coupon | None:
        """By its key."""
        rows = await self._read(select(coupons).where(coupons.c.code == code))
        return coupon_of(rows[0]) if rows else None

    async def movements(
        self, product_id: str | None, *, before: str | None = None, limit: int
    ) -> list[RecordedMovement]:
        """In the order in which they were done, newest first: the clock is read under the product's lock."""
        page = select(stock_audit).order_by(_moved.at.desc(), _moved.id.desc()).limit(limit)
        if product_id is not None:
            page = page.where(_moved.product_id == product_id)
        if before is not None:
            seen = select(_moved.at, _moved.id).where(_moved.id == before).scalar_subquery()
            page = page.where(tuple_(_moved.at, _moved.id) < seen)
        return [movement_of(row) for row in await self._read(page)]

    async def changes(self, *, product_id: str | None, code: str | None, limit: int) -> list[RecordedChange]:
        """Newest first; by the index of the audit if one subject is asked for."""
        page = select(catalogue_audit).order_by(_changed.at.desc(), _changed.id.desc()).limit(limit)
        for kind, subject in (("product", product_id), ("coupon", code)):
            if subject is not None:
                page = page.where(_changed.kind == kind, _changed.subject == subject)
        return [change_of(row) for row in await self._read(page)]

    async def _read(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with storage_errors():
            return await run_again_once(partial(self._read_once, query))

    async def _read_once(self, query: Select[Any]) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
            return rows
