"""Persistence: reads for the shop's pages, each one statement outside of any use case's transaction."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.order import Order
from app.domain.product import Product
from app.persistence.orders import order_of
from app.persistence.products import product_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import orders, products
from kits.postgres.pools import run_again_once


class SqlOrderReader:
    """Reads what is committed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def order(self, order_id: str) -> Order | None:
        """One order; None also for what can't be an order's id."""
        try:
            key = str(UUID(order_id))
        except ValueError:
            return None
        rows = await self._read(select(orders).where(orders.c.id == key))
        return order_of(rows[0]) if rows else None

    async def orders_of(self, customer_id: str, *, before: str | None, limit: int) -> list[Order]:
        """Up to `limit` of a customer's orders, newest first: ids are born in the order of time."""
        page = select(orders).where(orders.c.customer_id == customer_id)
        if before is not None:
            page = page.where(orders.c.id < before)
        return [order_of(row) for row in await self._read(page.order_by(orders.c.id.desc()).limit(limit))]

    async def product(self, product_id: str) -> Product | None:
        """One product."""
        rows = await self._read(select(products).where(products.c.id == product_id))
        return product_of(rows[0]) if rows else None

    async def products(self, *, after: str | None, limit: int) -> list[Product]:
        """Up to `limit` products with an id above `after`, in id order."""
        page = select(products).where(products.c.id > (after or "")).order_by(products.c.id).limit(limit)
        return [product_of(row) for row in await self._read(page)]

    async def _read(self, query: Select[Any]) -> Sequence[RowMapping]:
        with storage_errors():
            return await run_again_once(partial(self._read_once, query))

    async def _read_once(self, query: Select[Any]) -> Sequence[RowMapping]:
        async with self._engine.connect() as connection:
            rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
            return rows
