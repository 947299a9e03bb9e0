"""Store: the copy of the users."""

from collections.abc import Collection, Mapping

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.articles.store.tables import person
from conduit.contracts.users import UserChanged
from kits.postgres.driver import DriverStatement, driver_fetch

_COPY = (person.c.id, person.c.username, person.c.bio, person.c.image, person.c.version)
_PERSON = DriverStatement(select(*_COPY).where(person.c.id == bindparam("id", type_=Text)))
_NAMED = DriverStatement(
    select(*_COPY)
    .ext(distinct_on(person.c.username))
    .where(person.c.username == func.any(bindparam("usernames", type_=ARRAY(Text))))
    .order_by(person.c.username, person.c.changed_at.desc())
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


class SqlPersons:
    """ports.PersonReader and ports.PersonStore: one statement each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def person(self, user_id: str) -> UserChanged | None:
        """See PersonReader."""
        rows = await driver_fetch(self._engine, _PERSON, {"id": user_id})
        return UserChanged(**dict(rows[0])) if rows else None

    async def named(self, usernames: Collection[str]) -> Mapping[str, UserChanged]:
        """See PersonReader."""
        rows = await driver_fetch(self._engine, _NAMED, {"usernames": list(usernames)})
        return {row["username"]: UserChanged(**dict(row)) for row in rows}

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
