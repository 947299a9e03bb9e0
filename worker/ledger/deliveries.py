"""Ledger: what was delivered. One read and one transaction per poll, whatever the number of events."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ARRAY, Integer, Text, bindparam, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.records import TopicPartition
from kits.postgres.driver import DriverConnection, DriverStatement, driver_connection, driver_transaction
from kits.postgres.schema import as_arrays, insert_from_arrays
from worker.delivery.locked import decide_again
from worker.delivery.seq import Block, OrderState
from worker.delivery.verdicts import Kept, Known, Recorded, Status, Verdict
from worker.ledger.blocked_orders import lock_orders, refresh_orders, resumable_events
from worker.ledger.errors import ledger_errors
from worker.ledger.rows import write_rows
from worker.ledger.tables import delivery, delivery_order, delivery_partition

_order = delivery_order.c
_group = bindparam("of_group", type_=Text)
_given_orders = func.any(bindparam("order_ids", type_=ARRAY(Text)))
_given_events = func.any(bindparam("event_ids", type_=ARRAY(Text)))

_LOOK_UP = DriverStatement(
    union_all(
        select(
            literal("order").label("kind"), _order.order_id.label("id"), _order.last_seq, _order.blocked
        ).where(_order.consumer_group == _group, _order.order_id == _given_orders),
        select(literal("event"), delivery.c.event_id, literal(0, Integer), delivery.c.status).where(
            delivery.c.consumer_group == _group, delivery.c.event_id == _given_events
        ),
    )
)

_ORDER_COLUMNS = ("consumer_group", "order_id", "last_seq", "is_baseline")
_new_order = insert_from_arrays(delivery_order, *_ORDER_COLUMNS)
_ADVANCE = DriverStatement(
    _new_order.on_conflict_do_update(
        index_elements=[_order.consumer_group, _order.order_id],
        set_={
            "last_seq": func.greatest(_order.last_seq, _new_order.excluded.last_seq),
            "updated_at": func.clock_timestamp(),
        },
    ).returning(_order.order_id, _order.blocked)
)

_PARTITION_COLUMNS = ("consumer_group", "topic", "partition", "first_offset")
_ADD_PARTITIONS = DriverStatement(
    insert_from_arrays(delivery_partition, *_PARTITION_COLUMNS).on_conflict_do_nothing()
)
_partition = delivery_partition.c
_FIRST_OFFSETS = DriverStatement(
    select(_partition.topic, _partition.partition, _partition.first_offset).where(
        _partition.consumer_group == _group
    )
)


class SqlLedger:
    """The ledger of one consumer group in PostgreSQL (worker.delivery.ports.Ledger).

    Locks are taken in one order everywhere: rows of `delivery_order` by order id, then rows of `delivery` by
    event id.
    """

    def __init__(self, engine: AsyncEngine, *, group: str) -> None:
        self._engine = engine
        self._group = group

    async def first_offsets(self) -> dict[TopicPartition, int]:
        """See the port."""
        with ledger_errors():
            async with driver_connection(self._engine) as connection:
                rows = await connection.fetch(_FIRST_OFFSETS, {"of_group": self._group})
                return {TopicPartition(topic, number): first for topic, number, first in rows}

    async def add_partitions(self, first_offsets: Mapping[TopicPartition, int]) -> None:
        """See the port."""
        rows = [(self._group, at.topic, at.partition, first) for at, first in sorted(first_offsets.items())]
        with ledger_errors():
            async with driver_transaction(self._engine) as connection:
                await connection.fetch(_ADD_PARTITIONS, as_arrays(_PARTITION_COLUMNS, rows))

    async def look_up(self, order_ids: Collection[str], event_ids: Collection[str]) -> Known:
        """See the port. One round trip."""
        asked = {
            "of_group": self._group,
            "order_ids": list(order_ids),
            "event_ids": list(event_ids),
        }
        known = Known()
        with ledger_errors():
            async with driver_connection(self._engine) as connection:
                for kind, name, last_seq, blocked in await connection.fetch(_LOOK_UP, asked):
                    if kind == "order":
                        known.orders[name] = OrderState(last_seq, Block(blocked) if blocked else None)
                    else:
                        known.event_ids.add(name)
        return known

    async def record(self, verdicts: Sequence[Verdict]) -> Recorded:
        """See the port. Two statements and the COMMIT, unless something is dead, held or blocked."""
        with ledger_errors():
            async with driver_transaction(self._engine) as connection:
                return await self._record(connection, verdicts)

    async def _record(self, connection: DriverConnection, verdicts: Sequence[Verdict]) -> Recorded:
        order_ids = {v.event.order_id for v in verdicts if v.event.order_id is not None}
        touched = {
            v.event.order_id for v in verdicts if v.status is not Status.DELIVERED and v.event.order_id
        }
        undecided: list[Verdict] = []
        if touched:
            states = await lock_orders(connection, self._group, order_ids)
            verdicts, undecided = decide_again(verdicts, states)
        touched |= await self._advance(connection, verdicts)
        await write_rows(connection, self._group, verdicts)
        refreshed = await refresh_orders(connection, self._group, touched) if touched else {}
        return Recorded(refreshed, undecided)

    async def _advance(self, connection: DriverConnection, verdicts: Sequence[Verdict]) -> set[str]:
        """Move orders on to what was delivered; returns those that are blocked."""
        orders: dict[str, tuple[str, str, int, bool]] = {}
        for verdict in verdicts:
            order_id, reached = verdict.event.order_id, verdict.reached_seq
            if reached is not None and order_id is not None:
                _, _, last_seq, baseline = orders.get(order_id, ("", "", 0, False))
                last_seq, baseline = max(last_seq, reached), baseline or verdict.baseline
                orders[order_id] = (self._group, order_id, last_seq, baseline)
        if not orders:
            return set()
        rows = [orders[order_id] for order_id in sorted(orders)]
        moved = await connection.fetch(_ADVANCE, as_arrays(_ORDER_COLUMNS, rows))
        return {order_id for order_id, blocked in moved if blocked is not None}

    async def resumable(self, partitions: Collection[TopicPartition], *, limit: int) -> list[Kept]:
        """See the port."""
        with ledger_errors():
            async with driver_connection(self._engine) as connection:
                return await resumable_events(connection, self._group, partitions, limit)
