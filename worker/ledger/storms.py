"""Ledger: the group's last storm, one row per group. Tripped by workers, released by people."""

from collections.abc import Collection

from sqlalchemy import ARRAY, Text, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from worker.delivery.storm_guard import Trip
from worker.ledger.errors import ledger_errors
from worker.ledger.tables import delivery_audit, delivery_storm

_EXCUSED_FOR = text("interval '1 hour'")
_storm = delivery_storm.c
_group = bindparam("of_group", type_=Text)
_event_ids = bindparam("event_ids", type_=ARRAY(Text))

_LAST = select(
    _storm.tripped_at,
    _storm.released_at,
    case((_storm.released_at.is_not(None), _storm.event_ids)).label("event_ids"),
).where(
    _storm.consumer_group == _group,
    func.coalesce(_storm.released_at, func.clock_timestamp()) > func.clock_timestamp() - _EXCUSED_FOR,
)
_NEW = insert(delivery_storm).values(consumer_group=_group, event_ids=_event_ids)
_TRIP = _NEW.on_conflict_do_update(
    index_elements=[_storm.consumer_group],
    set_={
        "tripped_at": case((_storm.released_at.is_(None), _storm.tripped_at), else_=_NEW.excluded.tripped_at),
        "event_ids": case(
            (_storm.released_at.is_(None), func.array_cat(_storm.event_ids, _NEW.excluded.event_ids)),
            else_=_NEW.excluded.event_ids,
        ),
        "released_at": None,
    },
)
_RELEASE = (
    update(delivery_storm)
    .where(_storm.consumer_group == _group, _storm.released_at.is_(None))
    .values(released_at=func.clock_timestamp())
    .returning(func.cardinality(_storm.event_ids))
)
_AUDIT = insert(delivery_audit).values(
    actor=bindparam("actor"),
    action="storm_release",
    consumer_group=_group,
    reason=bindparam("reason"),
)


class SqlStorms:
    """The storms of one consumer group in PostgreSQL (worker.delivery.ports.Storms)."""

    def __init__(self, engine: AsyncEngine, *, group: str) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._group = group

    async def last(self) -> Trip | None:
        """See the port. One released more than an hour ago is forgotten."""
        with ledger_errors():
            async with self._reading.connect() as connection:
                row = (await connection.execute(_LAST, {"of_group": self._group})).one_or_none()
        if row is None:
            return None
        return Trip(row.tripped_at, row.released_at is not None, frozenset(row.event_ids or ()))

    async def trip(self, event_ids: Collection[str]) -> None:
        """See the port."""
        asked = {"of_group": self._group, "event_ids": sorted(event_ids)}
        with ledger_errors():
            async with self._engine.begin() as connection:
                await connection.execute(_TRIP, asked)

    async def release(self, *, actor: str, reason: str) -> int | None:
        """Let the group go on, audited in the same transaction.

        Returns how many events were about to die; None if there was nothing to release.
        """
        with ledger_errors():
            async with self._engine.begin() as connection:
                count: int | None = await connection.scalar(_RELEASE, {"of_group": self._group})
                if count is not None:
                    asked = {"of_group": self._group, "actor": actor, "reason": reason}
                    await connection.execute(_AUDIT, asked)
        return count
