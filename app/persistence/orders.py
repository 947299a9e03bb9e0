"""Persistence: orders, one row each; the lines are a snapshot of their moment and stay one document."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, func, literal_column, select, update

from app.application.commands import Reference
from app.domain.order import Order, OrderLine, OrderStatus
from app.persistence.tables import orders
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_document, insert_from_document, rows_from_document

_COLUMNS = tuple(column.name for column in orders.columns)
_INSERT = DriverStatement(insert_from_document(orders, *_COLUMNS))
_found = select(orders).where(orders.c.id == func.any(bindparam("ids", type_=ARRAY(orders.c.id.type))))
_FIND = DriverStatement(_found)
_LOCK = DriverStatement(_found.order_by(orders.c.id).with_for_update())
PENDING = orders.c.status == literal_column("'PENDING'")
_COUNT_PENDING = DriverStatement(
    select(orders.c.customer_id, func.count())
    .where(PENDING, orders.c.customer_id == func.any(bindparam("customers", type_=ARRAY(Text))))
    .group_by(orders.c.customer_id)
)
# statement_timestamp() stands still during the statement: the index ends the search at the first order that
# still has time. clock_timestamp() would be compared with every PENDING order there is.
_due = (
    select(orders)
    .where(PENDING, orders.c.expires_at <= func.statement_timestamp())
    .order_by(orders.c.expires_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_LOCK_DUE = DriverStatement(_due)
_LOCK_DUE_BESIDES = DriverStatement(
    _due.where(orders.c.id != func.all(bindparam("besides", type_=ARRAY(orders.c.id.type))))
)
_moved = rows_from_document("moved", id=orders.c.id.type, status=Text(), version=Integer())
_UPDATE = DriverStatement(
    update(orders).where(orders.c.id == _moved.c.id).values(status=_moved.c.status, version=_moved.c.version)
)

_numbers = func.unnest(bindparam("numbers", type_=ARRAY(BigInteger))).column_valued("number")
_LOCK_REFERENCES = DriverStatement(select(func.pg_advisory_xact_lock(_numbers)))
_LOCK_FREE_REFERENCES = DriverStatement(select(_numbers).where(~func.pg_try_advisory_xact_lock(_numbers)))
_named = rows_from_document("named", customer_id=Text(), client_reference=Text())
_FIND_REFERENCES = DriverStatement(
    select(orders.c.customer_id, orders.c.client_reference, orders.c.id).join_from(
        _named,
        orders,
        (orders.c.client_reference == _named.c.client_reference)
        & (orders.c.customer_id == _named.c.customer_id),
    )
)


class SqlOrderRepository:
    """Orders of one transaction."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, placed: Sequence[Order]) -> None:
        """Insert orders in one statement, sorted by id."""
        await self._connection.write(_INSERT, as_document(sorted(placed, key=_id_of)))

    async def find(self, order_ids: Iterable[str]) -> Mapping[str, Order]:
        """Those of the orders that exist, by id."""
        found = await self._connection.fetch(_FIND, {"ids": sorted(order_ids)})
        return {order.id: order for order in map(order_of, found)}

    async def lock_references(self, references: Iterable[Reference]) -> None:
        """Lock references that may have no order yet, by number; waits for other transactions' to end."""
        numbers = sorted(map(_number_of, references))
        await self._connection.fetch(_LOCK_REFERENCES, {"numbers": numbers})

    async def lock_free_references(self, references: Iterable[Reference]) -> set[Reference]:
        """Lock those that nobody holds, without waiting; the others."""
        numbered = {_number_of(reference): reference for reference in references}
        held = await self._connection.fetch(_LOCK_FREE_REFERENCES, {"numbers": sorted(numbered)})
        return {numbered[number] for (number,) in held}

    async def find_references(self, references: Iterable[Reference]) -> Mapping[Reference, str]:
        """The ids of the orders that have one of these."""
        named = [
            {"customer_id": customer_id, "client_reference": reference}
            for customer_id, reference in references
        ]
        found = await self._connection.fetch(_FIND_REFERENCES, as_document(named))
        return {(customer_id, reference): str(order_id) for customer_id, reference, order_id in found}

    async def count_pending(self, customer_ids: Iterable[str]) -> Mapping[str, int]:
        """How many PENDING orders each of these customers has, out of an index that holds no others."""
        found = await self._connection.fetch(_COUNT_PENDING, {"customers": sorted(customer_ids)})
        return {customer_id: int(count) for customer_id, count in found}

    async def lock(self, order_ids: Iterable[str]) -> Mapping[str, Order]:
        """Those of the orders that exist, by id; rows locked in ascending id order, in one statement."""
        found = await self._connection.fetch(_LOCK, {"ids": sorted(order_ids)})
        return {order.id: order for order in map(order_of, found)}

    async def lock_due(self, limit: int, *, besides: Iterable[str] = ()) -> Sequence[Order]:
        """PENDING orders whose time is over by the database's clock, longest first.

        Rows that somebody else has locked are passed over: they are being paid, cancelled or expired.
        """
        passed_over = sorted(besides)
        values = {"limit": limit, "besides": passed_over}
        found = await self._connection.fetch(_LOCK_DUE_BESIDES if passed_over else _LOCK_DUE, values)
        return [order_of(row) for row in found]

    async def update(self, changed: Sequence[Order]) -> None:
        """Store status and version of locked orders; nothing else of an order ever changes."""
        await self._connection.write(_UPDATE, as_document(sorted(changed, key=_id_of)))


def order_of(row: Mapping[Any, Any]) -> Order:
    """The order that a full row of `orders` holds."""
    values = dict(row)
    values["id"] = str(values["id"])
    values["status"] = OrderStatus(values["status"])
    values["lines"] = msgspec.convert(values["lines"], tuple[OrderLine, ...])
    return Order(**values)


def _number_of(reference: Reference) -> int:
    """What the server locks it by; that two have the same number is harmless: they wait for each other."""
    digest = blake2b("\0".join(reference).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _id_of(order: Order) -> str:
    return order.id
