"""Persistence: reads for the shop's pages, outside of any use case's transaction."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import FoundOrders, OrderSearch
from app.domain.order import Order
from app.domain.product import Product
from app.domain.seller import ListedProduct, Seller, SellerSource
from app.persistence.order_search import BY_ITS_INDEX, found_orders, page_of
from app.persistence.orders import order_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import member_replica, orders, products
from kits.postgres.pools import run_again_once

_LISTED = select(
    products, member_replica.c.name.label("seller_name"), member_replica.c.as_of.label("seller_as_of")
).outerjoin(member_replica, member_replica.c.member_id == products.c.seller_id)


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

    async def search(self, search: OrderSearch) -> FoundOrders:
        """A page of orders, newest first: ids are born in the order of time."""
        rows = await self._read(page_of(search), BY_ITS_INDEX)
        return found_orders(rows, search.limit)

    async def product(self, product_id: str) -> ListedProduct | None:
        """One product, with its seller if the replica has one."""
        rows = await self._read(_LISTED.where(products.c.id == product_id))
        return _listed(rows[0]) if rows else None

    async def products(self, *, after: str | None, limit: int) -> list[ListedProduct]:
        """Up to `limit` products with an id above `after`, in id order, as above."""
        page = _LISTED.where(products.c.id > (after or "")).order_by(products.c.id).limit(limit)
        return [_listed(row) for row in await self._read(page)]

    async def _read(self, query: Select[Any], setting: Executable | None = None) -> Sequence[RowMapping]:
        with storage_errors():
            return await run_again_once(partial(self._read_once, query, setting))

    async def _read_once(self, query: Select[Any], setting: Executable | None) -> Sequence[RowMapping]:
        async with self._engine.connect() as connection:
            if setting is not None:
                await connection.execute(setting)
            rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
            return rows


def _listed(row: Mapping[Any, Any]) -> ListedProduct:
    *fields, name, as_of = row.values()
    product = Product(*fields)
    if product.seller_id is None or name is None:
        return ListedProduct(product, None)
    return ListedProduct(product, Seller(product.seller_id, name, SellerSource.REPLICA, as_of))
