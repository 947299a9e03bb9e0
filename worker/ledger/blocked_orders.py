"""Ledger: orders that are blocked. Locked and decided again, unblocked when nothing holds them any more."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ARRAY, Integer, Row, Text, and_, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kits.kafka.records import IncomingRecord, TopicPartition
from kits.postgres.schema import as_arrays, insert_from_arrays, rows_from_arrays
from worker.delivery.seq import Block, OrderState
from worker.delivery.verdicts import Kept, Status
from worker.ledger.rows import decode_headers
from worker.ledger.tables import delivery, delivery_order

_order = delivery_order.c
_row = delivery.c
_group = bindparam("of_group", type_=Text)
_given = func.any(bindparam("order_ids", type_=ARRAY(Text)))

_KEY = ("consumer_group", "order_id")
_INSERT_MISSING = insert_from_arrays(delivery_order, *_KEY).on_conflict_do_nothing()
_LOCK = (
    select(_order.order_id, _order.last_seq, _order.blocked)
    .where(_order.consumer_group == _group, _order.order_id == _given)
    .order_by(_order.order_id)
    .with_for_update()
)

_cause = (
    select(
        case(
            (func.bool_or(_row.status == "dead"), "dead"),
            (func.bool_or(_row.status.in_(["held", "retrying"])), "gap"),
            else_=None,
        )
    )
    .where(
        _row.consumer_group == _order.consumer_group,
        _row.order_id == _order.order_id,
        _row.status.in_(["dead", "held", "retrying"]),
    )
    .scalar_subquery()
)
_REFRESH = (
    update(delivery_order)
    .where(_order.consumer_group == _group, _order.order_id == _given)
    .values(blocked=_cause, updated_at=func.clock_timestamp())
    .returning(_order.order_id, _order.last_seq, _order.blocked)
)

_at = rows_from_arrays("assigned", topic=Text(), partition=Integer())
_held = (
    select(
        delivery,
        _order.last_seq,
        func.row_number().over(partition_by=_row.order_id, order_by=_row.seq).label("place"),
    )
    .join(
        delivery_order,
        and_(_order.consumer_group == _row.consumer_group, _order.order_id == _row.order_id),
    )
    .join(_at, and_(_at.c.topic == _row.topic, _at.c.partition == _row.partition))
    .where(_order.consumer_group == _group, _order.blocked == "gap", _row.status == "held")
    .subquery("held")
)
# Without a hole from last_seq + 1 on: then a row's number is at most last_seq + its place among the held.
_RESUMABLE = (
    select(_held)
    .where(_held.c.seq <= _held.c.last_seq + _held.c.place)
    .order_by(_held.c.order_id, _held.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
_DUE = (
    select(delivery)
    .join(_at, and_(_at.c.topic == _row.topic, _at.c.partition == _row.partition))
    .where(
        _row.consumer_group == _group,
        _row.status == "retrying",
        _row.next_attempt_at <= func.clock_timestamp(),
    )
    .order_by(_row.next_attempt_at)
    .limit(bindparam("limit", type_=Integer))
)


async def lock_orders(
    connection: AsyncConnection, group: str, order_ids: Iterable[str]
) -> dict[str, OrderState]:
    """Lock the rows of these orders, sorted, made if they are missing, until the transaction ends."""
    names = sorted(order_ids)
    await connection.execute(_INSERT_MISSING, as_arrays(_KEY, [(group, name) for name in names]))
    return _states(await connection.execute(_LOCK, {"of_group": group, "order_ids": names}))


async def refresh_orders(
    connection: AsyncConnection, group: str, order_ids: Iterable[str]
) -> dict[str, OrderState]:
    """Derive from their rows whether these orders, locked already, are blocked; returns them as they are."""
    asked = {"of_group": group, "order_ids": sorted(order_ids)}
    return _states(await connection.execute(_REFRESH, asked))


async def resumable_events(
    connection: AsyncConnection, group: str, partitions: Collection[TopicPartition], limit: int
) -> list[Kept]:
    """Parked events that are due, then held events whose turn has come, per order in seq order."""
    at = as_arrays(("topic", "partition"), [(each.topic, each.partition) for each in sorted(partitions)])
    asked = {"of_group": group, "limit": limit, **at}
    return [
        _kept(row) for statement in (_DUE, _RESUMABLE) for row in await connection.execute(statement, asked)
    ]


def _kept(row: Row[Any]) -> Kept:
    record = IncomingRecord(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        timestamp_ms=0,
        key=row.key,
        value=row.payload,
        headers=decode_headers(row.headers),
    )
    return Kept(record, row.status == Status.RETRYING, row.attempts, row.first_failed_at)


def _states(rows: Iterable[Row[Any]]) -> dict[str, OrderState]:
    return {
        row.order_id: OrderState(row.last_seq, Block(row.blocked) if row.blocked else None) for row in rows
    }
