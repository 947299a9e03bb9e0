"""Persistence: reads for the shop's pages, each one statement outside of any use case's transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.order import Order
from app.domain.product import Product
from app.persistence.orders import order_of
from app.persistence.products import product_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import orders, products


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
        async with self._connection() as connection:
            row = (await connection.execute(select(orders).where(orders.c.id == key))).mappings().first()
        return order_of(row) if row is not None else None

    async def orders_of(self, customer_id: str, *, before: str | None, limit: int) -> list[Order]:
        """Up to `limit` of a customer's orders, newest first: ids are born in the order of time."""
        page = select(orders).where(orders.c.customer_id == customer_id)
        if before is not None:
            page = page.where(orders.c.id < before)
        async with self._connection() as connection:
            found = await connection.execute(page.order_by(orders.c.id.desc()).limit(limit))
            return [order_of(row) for row in found.mappings()]

    async def product(self, product_id: str) -> Product | None:
        """One product."""
        async with self._connection() as connection:
            found = await connection.execute(select(products).where(products.c.id == product_id))
            row = found.mappings().first()
        return product_of(row) if row is not None else None

    async def products(self, *, after: str | None, limit: int) -> list[Product]:
        """Up to `limit` products with an id above `after`, in id order."""
        page = select(products).where(products.c.id > (after or "")).order_by(products.c.id).limit(limit)
        async with self._connection() as connection:
            return [product_of(row) for row in (await connection.execute(page)).mappings()]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        with storage_errors():
            async with self._engine.connect() as connection:
                yield connection
