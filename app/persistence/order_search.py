"""Persistence: one statement that finds a page of orders, and looks at a bounded number of them.

It reads one index downwards, between the ids that the cursor and the times lead to, and stops when the page
is full or 5,000 orders were looked at. The last one that was looked at stands in the result then, whether it
is searched or not: there the next page begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
)

from app.application.commands import FoundOrders, OrderSearch
from app.application.idempotency import PLACING
from app.persistence.orders import order_of
from app.persistence.tables import idempotency_keys, orders

LOOKED_AT = 5_000
BY_ITS_INDEX = text("SET LOCAL enable_sort = off")
"""For the statement's transaction: an estimate of few rows must not make it read and sort them all."""

# An id has the clock of the host that made it, and is made before the order waits for its transaction.
_CLOCKS = timedelta(minutes=10)
_ID = orders.c.id.type
_FIRST = str(UUID(int=0))
_BEYOND = str(UUID(int=2**128 - 1))
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MOST_MILLISECONDS = 2**48 - 1


def page_of(search: OrderSearch) -> Select[Any]:
    """Up to `limit` + 1 orders that are searched, and the last one that may be looked at."""
    ordered = _ordered_by(search)
    direction = [orders.c[name].desc() for name in ordered]
    looked = (
        select(orders, func.row_number().over(order_by=direction).label("place"))
        .where(*_within(search))
        .order_by(*direction)
        .limit(literal_column(str(LOOKED_AT)))
        .subquery("looked_at")
    )
    wanted = and_(true(), *_wanted(search, looked))
    is_last = looked.c.place == literal_column(str(LOOKED_AT))
    return (
        select(looked, wanted.label("is_wanted"))
        .where(or_(wanted, is_last))
        .order_by(*[looked.c[name].desc() for name in ordered])
        .limit(search.limit + 1)
    )


def found_orders(rows: Sequence[Mapping[Any, Any]], limit: int) -> FoundOrders:
    """The page that the rows of `page_of` make."""
    found, last_looked_at = [], None
    for row in rows:
        values = dict(row)
        place, is_wanted = values.pop("place"), values.pop("is_wanted")
        if is_wanted:
            found.append(order_of(values))
        if place == LOOKED_AT:
            last_looked_at = str(values["id"])
    if len(found) > limit:
        return FoundOrders(found[:limit], found[limit - 1].id)
    return FoundOrders(found, last_looked_at)


def _ordered_by(search: OrderSearch) -> tuple[str, ...]:
    if search.key is not None:
        return ("id",)
    if search.reference is not None:
        return "client_reference", "customer_id"
    return ("id",) if search.customer_id is None else ("customer_id", "id")


def _within(search: OrderSearch) -> list[ColumnElement[bool]]:
    """Between which entries an index is read."""
    low, high = (literal(bound, _ID) for bound in _bounds(search))
    if search.key is not None:
        keys = idempotency_keys.c
        named = select(keys.order_id).where(
            keys.customer_id == search.caller_id, keys.route == PLACING, keys.key == search.key
        )
        return [orders.c.id == named.scalar_subquery(), orders.c.id < high]
    if search.reference is not None:
        return list(_referred(search.reference, search))
    if search.customer_id is None:
        return [orders.c.id >= low, orders.c.id < high]
    # As pairs, and not by `customer_id = …`: only the customers' own index has this order, whatever the
    # planner believes of how many orders this one has.
    pair = tuple_(orders.c.customer_id, orders.c.id)
    whose = literal(search.customer_id)
    return [pair >= tuple_(whose, low), pair < tuple_(whose, high)]


def _referred(reference: str, search: OrderSearch) -> Iterator[ColumnElement[bool]]:
    """Whoever's order has this reference, customer by customer: each has one at most."""
    name, customer_id = orders.c.client_reference, orders.c.customer_id
    yield from (name.is_not(None), name >= reference, name <= reference)
    pair = tuple_(name, customer_id)
    if search.customer_id is not None:
        yield pair >= tuple_(literal(reference), literal(search.customer_id))
        yield pair <= tuple_(literal(reference), literal(search.customer_id))
    elif search.before is not None:
        last = select(customer_id).where(orders.c.id == literal(search.before, _ID)).scalar_subquery()
        yield pair < tuple_(literal(reference), last)


def _bounds(search: OrderSearch) -> tuple[str, str]:
    """The ids between which the orders lie, the second one excluded."""
    low = _FIRST if search.since is None else _first_id(search.since, -_CLOCKS)
    high = _BEYOND if search.until is None else _first_id(search.until, _CLOCKS)
    return low, high if search.before is None else min(high, search.before)


def _first_id(moment: datetime, shift: timedelta) -> str:
    """The lowest UUIDv7 of the millisecond that is so far from this moment."""
    milliseconds = (moment - _EPOCH + shift) // timedelta(milliseconds=1)
    return str(UUID(int=min(max(milliseconds, 0), _MOST_MILLISECONDS) << 80))


def _wanted(search: OrderSearch, looked: FromClause) -> Iterator[ColumnElement[bool]]:
    if search.key is not None and search.customer_id is not None:
        yield looked.c.customer_id == search.customer_id
    if search.key is not None and search.reference is not None:
        yield looked.c.client_reference == search.reference
    if search.status is not None:
        yield looked.c.status == search.status.value
    if search.since is not None:
        yield looked.c.created_at >= search.since
    if search.until is not None:
        yield looked.c.created_at < search.until
    if search.product_id is not None:
        yield looked.c.lines.contains([{"product_id": search.product_id}])
