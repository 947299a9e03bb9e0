"""Ledger: what it knows about offsets, for a group that has lost them, and the audit of moving them."""

from sqlalchemy import BigInteger, Integer, Text, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.records import TopicPartition
from worker.delivery.stuck import Note
from worker.ledger.errors import ledger_errors
from worker.ledger.tables import delivery, delivery_audit, delivery_partition

_row = delivery.c
_group = bindparam("of_group", type_=Text)
_start = bindparam("start", type_=BigInteger)
_FIRST_OFFSETS = select(delivery_partition).where(delivery_partition.c.consumer_group == _group)
_recorded = (
    select(_row.offset, func.row_number().over(order_by=_row.offset).label("place"))
    .where(
        _row.consumer_group == _group,
        _row.topic == bindparam("of_topic", type_=Text),
        _row.partition == bindparam("of_partition", type_=Integer),
        _row.offset >= _start,
    )
    .subquery("recorded")
)
# Up to the first hole, each offset is the start plus its place, counted from 0.
_WITHOUT_HOLE = select(func.count()).where(_recorded.c.offset - _recorded.c.place == _start - 1)


class SqlLedgerOffsets:
    """The offsets that the ledger of one consumer group knows."""

    def __init__(self, engine: AsyncEngine, *, group: str) -> None:
        self._engine = engine
        self._group = group

    async def first_offsets(self) -> dict[TopicPartition, int]:
        """Where the log of each partition began when the group first saw it.

        Raises:
            LedgerUnavailableError
        """
        with ledger_errors():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_FIRST_OFFSETS, {"of_group": self._group})
                return {TopicPartition(row.topic, row.partition): row.first_offset for row in rows}

    async def first_unrecorded(self, partition: TopicPartition, start: int) -> int:
        """The first offset from `start` on of which the ledger has no event: all before it are safe.

        A repeat has no row of its own, so this may be too early, never too late. It reads every row of the
        partition.

        Raises:
            LedgerUnavailableError
        """
        asked = {
            "of_group": self._group,
            "of_topic": partition.topic,
            "of_partition": partition.partition,
            "start": start,
        }
        with ledger_errors():
            async with self._engine.connect() as connection:
                return start + (await connection.execute(_WITHOUT_HOLE, asked)).scalar_one()

    async def note(self, note: Note, detail: str) -> None:
        """Write down who moves the offsets and why, before they are moved: the two cannot be one transaction.

        Raises:
            LedgerUnavailableError
        """
        values = {
            "actor": note.actor,
            "action": note.action,
            "consumer_group": self._group,
            "reason": note.reason,
            "detail": detail,
        }
        with ledger_errors():
            async with self._engine.begin() as connection:
                await connection.execute(insert(delivery_audit), values)
