"""Store of profiles: the copy of the users, and who follows whom."""

from collections.abc import Sequence

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.contracts.users import UserChanged
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch
from kits.postgres.request_ledger import request_ledger_table
from kits.postgres.schema import metadata
from kits.postgres.write_probe import WriteProbe

MIGRATE_COMMAND = "python -m conduit profiles migrate"
profile_tables = metadata()
requests = request_ledger_table(profile_tables)

person = Table(
    "person",
    profile_tables,
    Column("id", Text(collation="C"), primary_key=True),
    Column("username", Text, nullable=False),
    Column("bio", Text),
    Column("image", Text),
    Column("version", Integer, CheckConstraint("version >= 1", "version"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("ix_person_username", "username"),
)
follow = Table(
    "follow",
    profile_tables,
    Column("follower_id", Text(collation="C"), primary_key=True),
    Column("followed_id", Text(collation="C"), primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)

_COPY = (person.c.id, person.c.username, person.c.bio, person.c.image, person.c.version)
_NAMED = DriverStatement(
    select(*_COPY)
    .where(person.c.username == bindparam("username"))
    .order_by(person.c.changed_at.desc())
    .limit(literal_column("1"))
)
_new = insert(person).values({column.name: bindparam(column.name, type_=column.type) for column in _COPY})
_KEEP = DriverStatement(
    _new.on_conflict_do_update(
        index_elements=[person.c.id],
        set_={
            **{column.name: _new.excluded[column.name] for column in _COPY[1:]},
            "changed_at": func.clock_timestamp(),
        },
        where=_new.excluded.version > person.c.version,
    )
)
_follower, _followed = bindparam("follower", type_=Text), bindparam("followed", type_=Text)
_FOLLOWS = DriverStatement(
    select(literal_column("1")).where(follow.c.follower_id == _follower, follow.c.followed_id == _followed)
)
_FOLLOWED = DriverStatement(
    select(follow.c.followed_id)
    .where(follow.c.follower_id == _follower)
    .order_by(follow.c.followed_id)
    .limit(bindparam("limit", type_=Integer))
)
_AMONG = DriverStatement(
    select(follow.c.followed_id).where(
        follow.c.follower_id == _follower,
        follow.c.followed_id == func.any(bindparam("users", type_=ARRAY(Text))),
    )
)
# Two requests of one follower count one after the other.
_LOCK = DriverStatement(
    select(func.pg_advisory_xact_lock(literal_column("20261128"), func.hashtext(_follower)))
)
_ADD = DriverStatement(
    insert(follow).values(follower_id=_follower, followed_id=_followed).on_conflict_do_nothing()
)
_REMOVE = DriverStatement(
    delete(follow).where(follow.c.follower_id == _follower, follow.c.followed_id == _followed)
)


class SqlPersons:
    """ports.PersonReader and ports.PersonStore: one statement each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def named(self, username: str) -> UserChanged | None:
        """See PersonReader."""
        rows = await driver_fetch(self._engine, _NAMED, {"username": username})
        return UserChanged(**dict(rows[0])) if rows else None

    async def follows(self, follower: str, followed: str) -> bool:
        """See PersonReader."""
        return bool(await driver_fetch(self._engine, _FOLLOWS, {"follower": follower, "followed": followed}))

    async def followed(self, follower: str, limit: int) -> Sequence[str]:
        """See PersonReader."""
        rows = await driver_fetch(self._engine, _FOLLOWED, {"follower": follower, "limit": limit})
        return [row[0] for row in rows]

    async def followed_among(self, follower: str, users: Sequence[str]) -> Sequence[str]:
        """See PersonReader."""
        rows = await driver_fetch(self._engine, _AMONG, {"follower": follower, "users": list(users)})
        return [row[0] for row in rows]

    async def keep(self, person: UserChanged) -> None:
        """See PersonStore."""
        values = {
            "id": person.id,
            "username": person.username,
            "bio": person.bio,
            "image": person.image,
            "version": person.version,
        }
        await driver_fetch(self._engine, _KEEP, values)


class SqlFollows:
    """ports.Follows in the transaction of this connection."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, follower: str, followed: str, limit: int) -> bool:
        """See Follows."""
        both = {"follower": follower, "followed": followed}
        await self._connection.fetch(_LOCK, both)
        if not await self._connection.fetch(_FOLLOWS, both):
            already = await self._connection.fetch(_FOLLOWED, {"follower": follower, "limit": limit})
            if len(already) >= limit:
                return False
            await self._connection.fetch(_ADD, both)
        return True

    async def remove(self, follower: str, followed: str) -> None:
        """See Follows."""
        await self._connection.fetch(_REMOVE, {"follower": follower, "followed": followed})


def profiles_write_probe() -> WriteProbe:
    """What the process must be able to write, for its readiness."""
    # Nobody can have this id: it begins with a blank.
    probe = insert(person).values(id=" /readyz", username="", version=1).on_conflict_do_nothing()
    rights = {
        person: ("SELECT", "INSERT", "UPDATE"),
        follow: ("SELECT", "INSERT", "DELETE"),
        requests: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    }
    return WriteProbe(rights, probe)
