"""Ledger: orders that are blocked. Locked and decided again, unblocked when nothing holds them any more."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, and_, bindparam, case, func, or_, select, update

from kits.kafka.records import IncomingRecord, TopicPartition
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_arrays, in_any, insert_from_arrays, rows_from_arrays
from worker.delivery.seq import Block, OrderState
from worker.delivery.verdicts import Kept, Status
from worker.ledger.rows import decode_headers
from worker.ledger.tables import delivery, delivery_order

_order = delivery_order.c
_row = delivery.c
_group = bindparam("of_group", type_=Text)
_given = func.any(bindparam("order_ids", type_=ARRAY(Text)))

_KEY = ("consumer_group", "order_id")
_INSERT_MISSING = DriverStatement(insert_from_arrays(delivery_order, *_KEY).on_conflict_do_nothing())
_LOCK = DriverStatement(
    select(_order.order_id, _order.last_seq, _order.blocked)
    .where(_order.consumer_group == _group, _order.order_id == _given)
    .order_by(_order.order_id)
    .with_for_update()
)

_cause = (
    select(
        case(
            (func.bool_or(_row.status == "dead"), "dead"),
            (func.bool_or(in_any(_row.status, "held", "retrying")), "gap"),
            else_=None,
        )
    )
    .where(
        _row.consumer_group == _order.consumer_group,
        _row.order_id == _order.order_id,
        in_any(_row.status, "dead", "held", "retrying"),
    )
    .scalar_subquery()
)
_REFRESH = DriverStatement(
    update(delivery_order)
    .where(_order.consumer_group == _group, _order.order_id == _given)
    .values(blocked=_cause, updated_at=func.clock_timestamp())
    .returning(_order.order_id, _order.last_seq, _order.blocked)
)

_at = rows_from_arrays("assigned", topic=Text(), partition=Integer())
# An operator's command works on it: it lets go, or its lease runs out.
_is_free = or_(_order.lease_until.is_(None), _order.lease_until < func.clock_timestamp())
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
    .where(
        _order.consumer_group == _group,
        _order.blocked == "gap",
        _row.status == "held",
        _is_free,
    )
    .subquery("held")
)
# Without a hole from last_seq + 1 on: then a row's number is at most last_seq + its place among the held.
_RESUMABLE = DriverStatement(
    select(_held)
    .where(_held.c.seq <= _held.c.last_seq + _held.c.place)
    .order_by(_held.c.order_id, _held.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
_DUE = DriverStatement(
    select(delivery)
    .join(
        delivery_order,
        and_(_order.consumer_group == _row.consumer_group, _order.order_id == _row.order_id),
    )
    .join(_at, and_(_at.c.topic == _row.topic, _at.c.partition == _row.partition))
    .where(
        _row.consumer_group == _group,
        in_any(_row.status, "retrying"),
        _row.next_attempt_at <= func.clock_timestamp(),
        _is_free,
    )
    .order_by(_row.next_attempt_at)
    .limit(bindparam("limit", type_=Integer))
)


async def lock_orders(
    connection: DriverConnection, group: str, order_ids: Iterable[str]
) -> dict[str, OrderState]:
    """Lock the rows of these orders, sorted, made if they are missing, until the transaction ends."""
    names = sorted(order_ids)
    await connection.fetch(_INSERT_MISSING, as_arrays(_KEY, [(group, name) for name in names]))
    return _states(await connection.fetch(_LOCK, {"of_group": group, "order_ids": names}))


async def refresh_orders(
    connection: DriverConnection, group: str, order_ids: Iterable[str]
) -> dict[str, OrderState]:
    """Derive from their rows whether these orders, locked already, are blocked; returns them as they are."""
    asked = {"of_group": group, "order_ids": sorted(order_ids)}
    return _states(await connection.fetch(_REFRESH, asked))


async def resumable_events(
    connection: DriverConnection, group: str, partitions: Collection[TopicPartition], limit: int
) -> list[Kept]:
    """Parked events that are due, then held events whose turn has come; none of an order with a lease."""
    at = as_arrays(("topic", "partition"), [(each.topic, each.partition) for each in sorted(partitions)])
    asked = {"of_group": group, "limit": limit, **at}
    return [
        _kept(row) for statement in (_DUE, _RESUMABLE) for row in await connection.fetch(statement, asked)
    ]


def _kept(row: Mapping[str, Any]) -> Kept:
    record = IncomingRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp_ms=0,
        key=row["key"],
        value=row["payload"],
        headers=decode_headers(row["headers"]),
    )
    return Kept(record, row["status"] == Status.RETRYING, row["attempts"], row["first_failed_at"])


def _states(rows: Iterable[tuple[str, int, str | None]]) -> dict[str, OrderState]:
    return {
        order_id: OrderState(last_seq, Block(blocked) if blocked else None)
        for order_id, last_seq, blocked in rows
    }
