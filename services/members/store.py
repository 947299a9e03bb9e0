"""Store: the members' table, and the only place of this service that commits."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch, driver_transaction
from kits.postgres.errors import Fault, constraint, fault_of, sqlstate
from kits.postgres.outages import sentence, warn_once
from kits.postgres.schema import metadata
from kits.postgres.write_probe import WriteProbe
from services.members.ports import Member, Outbox, StorageError

MIGRATE_COMMAND = "python -m services.members migrate"
member_tables = metadata()

member = Table(
    "member",
    member_tables,
    # The order of bytes, whatever the database's language is: pages go by it.
    Column("id", Text(collation="C"), primary_key=True),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("version", Integer, CheckConstraint("version >= 1", "version"), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

_names: dict[str, ColumnElement[str]] = {"first_name": bindparam("first"), "last_name": bindparam("last")}
_now = func.date_trunc(literal_column("'milliseconds'"), func.clock_timestamp())
_FIND = DriverStatement(select(member).where(member.c.id == bindparam("member_id")))
_LOCK = DriverStatement(select(member).where(member.c.id == bindparam("member_id")).with_for_update())
_LOCK_PAGE = DriverStatement(
    select(member)
    .where(member.c.id > bindparam("after"))
    .order_by(member.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update()
)
_ADD = DriverStatement(
    insert(member)
    .values(id=bindparam("member_id"), version=literal_column("1"), updated_at=_now, **_names)
    .on_conflict_do_nothing()
    .returning(*member.c)
)
_RENAME = DriverStatement(
    update(member)
    .where(member.c.id == bindparam("member_id"))
    .values(version=member.c.version + literal_column("1"), updated_at=_now, **_names)
    .returning(*member.c)
)


class SqlMembers:
    """Members of one transaction."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, member_id: str, first_name: str, last_name: str) -> Member | None:
        """See MemberRepository."""
        return await self._one(_ADD, member_id=member_id, first=first_name, last=last_name)

    async def lock(self, member_id: str) -> Member | None:
        """See MemberRepository."""
        return await self._one(_LOCK, member_id=member_id)

    async def lock_page(self, after: str, limit: int) -> Sequence[Member]:
        """See MemberRepository."""
        rows = await self._connection.fetch(_LOCK_PAGE, {"after": after, "limit": limit})
        return [_member_of(row) for row in rows]

    async def rename(self, member_id: str, first_name: str, last_name: str) -> Member:
        """See MemberRepository."""
        values = {"member_id": member_id, "first": first_name, "last": last_name}
        (row,) = await self._connection.fetch(_RENAME, values)
        return _member_of(row)

    async def _one(self, statement: DriverStatement, **values: Any) -> Member | None:
        rows = await self._connection.fetch(statement, values)
        return _member_of(rows[0]) if rows else None


class SqlReader:
    """One statement each, on connections that no change needs."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def member(self, member_id: str) -> Member | None:
        """See MemberReader."""
        with storage_errors():
            rows = await driver_fetch(self._engine, _FIND, {"member_id": member_id})
        return _member_of(rows[0]) if rows else None


class SqlWork:
    """What one transaction works with. It does not commit itself: leaving its block does."""

    def __init__(self, connection: DriverConnection, outbox: Outbox) -> None:
        self.members = SqlMembers(connection)
        self.outbox = outbox


class SqlTransactions:
    """READ COMMITTED, committed by leaving the block, rolled back by any exception."""

    def __init__(self, engine: AsyncEngine, outbox: Callable[[DriverConnection], Outbox]) -> None:
        self._engine = engine
        self._outbox = outbox

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[SqlWork]:
        """See Transactions."""
        with storage_errors():
            async with driver_transaction(self._engine) as connection:
                yield SqlWork(connection, self._outbox(connection))


def members_write_probe(events: Table) -> WriteProbe:
    """What the process must be able to write, for its readiness."""
    # No member can have this id: it begins with a blank.
    probe = insert(member).values(
        id=" /readyz", first_name="", last_name="", version=1, updated_at=func.now()
    )
    return WriteProbe(
        {member: ("SELECT", "INSERT", "UPDATE"), events: ("SELECT", "INSERT", "UPDATE", "DELETE")}, probe
    )


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises StorageError for what comes out of the engine; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        warn_once(error)
        raise meaning from error


def _meaning(error: Exception) -> StorageError | None:  # noqa: PLR0911 - one line per fault
    match fault_of(error):
        case Fault.BUG:
            return None
        case Fault.RUN_AGAIN:
            return StorageError("storage_conflict", "The change was in conflict with another one.")
        case Fault.DEFINITE:
            found = constraint(error) or sqlstate(error)
            return StorageError("storage_refused", f"The database refused the data: {found}.")
        case Fault.OVERLOADED:
            return StorageError("overloaded", "More requests wait for the database than it can take now.")
        case Fault.BUSY:
            return StorageError("storage_busy", "Somebody else is working on this: nothing was stored.")
        case Fault.NOT_READY | Fault.STALE:
            return StorageError("storage_unavailable", sentence(error, migrate_command=MIGRATE_COMMAND))
        case _:
            return StorageError("storage_unavailable", "The database does not answer; try again in a moment.")


def _member_of(row: Mapping[Any, Any]) -> Member:
    return Member(**row)
