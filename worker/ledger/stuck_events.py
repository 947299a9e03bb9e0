"""Ledger: the open events that an operator asks for, by order, event, class, type and age."""

from typing import Any

from sqlalchemy import Interval, Select, Text, bindparam, case, func, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worker.delivery.stuck import Case, StuckEvent, Wanted
from worker.ledger.tables import OPEN_STATUS, delivery

_row = delivery.c
_TROUBLE_BEGAN = func.coalesce(_row.first_failed_at, _row.created_at)
_FILTERS = {
    "order_id": _row.order_id,
    "event_id": _row.event_id,
    "error_class": _row.error_class,
    "event_type": _row.event_type,
}
_LISTED = select(
    _row.order_id,
    _row.event_id,
    _row.seq,
    _row.event_type,
    _row.status,
    _row.error_class,
    _row.error_code,
    _row.error_message,
    _row.attempts,
    _row.first_failed_at,
    _row.last_failed_at,
).order_by(_TROUBLE_BEGAN, _row.order_id, _row.seq.asc().nulls_first(), _row.event_id)
# An event whose order is not known is a case of its own.
_ALONE = case((_row.order_id.is_(None), _row.event_id), else_=null())
_CASES = (
    select(_row.order_id, _ALONE.label("alone"))
    .group_by(_row.order_id, _ALONE)
    .order_by(func.min(_TROUBLE_BEGAN), _row.order_id, _ALONE)
)


async def listed_events(connection: AsyncConnection, group: str, wanted: Wanted) -> list[StuckEvent]:
    """See worker.delivery.stuck.StuckOrders.listed."""
    rows = await connection.execute(_fitting(_LISTED, wanted), _values(group, wanted))
    return [StuckEvent(*row) for row in rows]


async def chosen_cases(connection: AsyncConnection, group: str, wanted: Wanted) -> list[Case]:
    """See worker.delivery.stuck.StuckOrders.cases."""
    rows = await connection.execute(_fitting(_CASES, wanted), _values(group, wanted))
    return [Case(order_id, alone) for order_id, alone in rows]


def _fitting(query: Select[Any], wanted: Wanted) -> Select[Any]:
    query = query.where(_row.consumer_group == bindparam("of_group", type_=Text), OPEN_STATUS)
    for name, column in _FILTERS.items():
        if getattr(wanted, name) is not None:
            query = query.where(column == bindparam(f"wanted_{name}", type_=Text))
    if wanted.older_than is not None:
        age = bindparam("wanted_older_than", type_=Interval)
        query = query.where(func.clock_timestamp() - age >= _TROUBLE_BEGAN)
    return query.limit(wanted.limit)


def _values(group: str, wanted: Wanted) -> dict[str, Any]:
    given = {f"wanted_{name}": getattr(wanted, name) for name in (*_FILTERS, "older_than")}
    return {"of_group": group} | {name: value for name, value in given.items() if value is not None}
