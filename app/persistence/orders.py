"""Persistence: orders, one row each; the lines are a snapshot of their moment and stay one document."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ARRAY, bindparam, func, select

from app.domain.order import Order, OrderLine, OrderStatus
from app.persistence.tables import orders
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_arrays, insert_from_arrays

_COLUMNS = tuple(column.name for column in orders.columns)
_INSERT = DriverStatement(insert_from_arrays(orders, *_COLUMNS))
_FIND = DriverStatement(
    select(orders).where(orders.c.id == func.any(bindparam("ids", type_=ARRAY(orders.c.id.type))))
)


class SqlOrderRepository:
    """Orders of one transaction."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, placed: Sequence[Order]) -> None:
        """Insert orders in one statement, sorted by id."""
        rows = [_row_of(order) for order in sorted(placed, key=lambda order: order.id)]
        await self._connection.fetch(_INSERT, as_arrays(_COLUMNS, rows))

    async def find(self, order_ids: Iterable[str]) -> Mapping[str, Order]:
        """Those of the orders that exist, by id."""
        found = await self._connection.fetch(_FIND, {"ids": sorted(order_ids)})
        return {order.id: order for order in map(order_of, found)}


def order_of(row: Mapping[Any, Any]) -> Order:
    """The order that a full row of `orders` holds."""
    values = dict(row)
    values["id"] = str(values["id"])
    values["status"] = OrderStatus(values["status"])
    values["lines"] = msgspec.convert(values["lines"], tuple[OrderLine, ...])
    return Order(**values)


def _row_of(order: Order) -> tuple[Any, ...]:
    values = {column: getattr(order, column) for column in _COLUMNS}
    values["lines"] = msgspec.json.encode(order.lines).decode()
    return tuple(values.values())
