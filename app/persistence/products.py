"""Persistence: products, their rows locked while an order takes from the stock."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, bindparam, func, select, update

from app.domain.product import Product
from app.persistence.tables import products
from app.persistence.transaction_clock import TransactionClock
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.row_locks import lock_free_rows
from kits.postgres.schema import as_document, rows_from_document

# What an order takes from a product, and nothing else: these rows are the most of its transaction.
_ORDERED = (products.c.id, products.c.name, products.c.price, products.c.currency, products.c.stock)
_LOCK = DriverStatement(
    select(*_ORDERED, func.clock_timestamp().label("told_at"))
    .where(products.c.id == func.any(bindparam("ids", type_=ARRAY(Text))))
    .order_by(products.c.id)
    .with_for_update()
)
_LOCK_FREE = lock_free_rows(products.c.id)
_taken = rows_from_document("taken", product_id=Text(), pieces=Integer())
_TAKE = DriverStatement(
    update(products)
    .where(products.c.id == _taken.c.product_id)
    .values(stock=products.c.stock - _taken.c.pieces)
)
_released = rows_from_document("released", product_id=Text(), pieces=Integer())
_RELEASE = DriverStatement(
    update(products)
    .where(products.c.id == _released.c.product_id)
    .values(stock=products.c.stock + _released.c.pieces)
)


class SqlProductRepository:
    """Products of one transaction."""

    def __init__(self, connection: DriverConnection, clock: TransactionClock) -> None:
        self._connection = connection
        self._clock = clock

    async def lock(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those of the products that exist, by id; rows locked in ascending id order, in one statement."""
        found = await self._connection.fetch(_LOCK, {"ids": sorted(product_ids)})
        if found:
            self._clock.told(found[0]["told_at"])
        return {row["id"]: Product(*row[:-1]) for row in found}

    async def lock_free(self, product_ids: Iterable[str]) -> set[str]:
        """Lock those that nobody holds, without waiting; the ids of the others that exist."""
        held = await self._connection.fetch(_LOCK_FREE, {"keys": sorted(product_ids)})
        return {product_id for (product_id,) in held}

    async def take(self, pieces: Mapping[str, int]) -> None:
        """Take pieces out of the stock of locked products; the table's CHECK refuses to go below zero."""
        await self._connection.write(_TAKE, _document_of(pieces))

    async def release(self, pieces: Mapping[str, int]) -> None:
        """Put pieces back into the stock of locked products."""
        await self._connection.write(_RELEASE, _document_of(pieces))


def product_of(row: Mapping[Any, Any]) -> Product:
    """The product that a full row of `products` holds."""
    return Product(**row)


def _document_of(pieces: Mapping[str, int]) -> dict[str, str]:
    return as_document([{"product_id": product, "pieces": number} for product, number in pieces.items()])
