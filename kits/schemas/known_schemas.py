"""Schemas kit: the schemas that a process knows without asking the registry, in a table of its owner."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.postgres.schema import qualified


class KnownSchema(msgspec.Struct, frozen=True):
    """A schema under the id that a registry gave it; both never change."""

    id: int
    subject: str
    fingerprint: str
    """See kits.schemas.avro.fingerprint_of."""
    definition: str
    """JSON."""


class SchemaIdInUseError(Exception):
    """The registry gives an id that contradicts one under which records have been written."""

    code = "schema_id_in_use"


def known_schema_table(metadata: MetaData, owner: str) -> Table:
    """The table `<owner>_known_schema`, which a migration of its owner makes.

    `registered_at` is set where the owner writes under this id: there is one such id per schema.
    """
    name = f"{owner}_known_schema"
    table = Table(
        name,
        metadata,
        Column("registry", Text, primary_key=True),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("subject", Text, nullable=False),
        Column("fingerprint", Text, nullable=False),
        Column("definition", Text, nullable=False),
        Column("registered_at", DateTime(timezone=True)),
        Column("known_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Index(
        f"uq_{name}_registered",
        table.c.registry,
        table.c.fingerprint,
        unique=True,
        postgresql_where=text("registered_at IS NOT NULL"),
    )
    return table


class SqlKnownSchemas:
    """The table, for one registry: the ids of another address mean something else.

    Raises, from every call: sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
    """

    def __init__(self, engine: AsyncEngine, table: Table, registry: str) -> None:
        """Args: registry: its address, without credentials."""
        self._engine = engine
        self._table = table
        self._registry = registry

    async def is_there(self) -> bool:
        """Whether the owner's migrations have made the table."""
        async with self._engine.connect() as connection:
            name = func.to_regclass(qualified(self._table, self._engine))
            return (await connection.execute(select(name))).scalar_one() is not None

    async def all(self) -> list[KnownSchema]:
        """What is known of this registry."""
        return await self._found(self._table.c.registry == self._registry)

    async def registered(self) -> list[KnownSchema]:
        """Under which ids the owner of the table writes."""
        row = self._table.c
        return await self._found(row.registry == self._registry, row.registered_at.is_not(None))

    async def keep(self, schema: KnownSchema) -> None:
        """Remember what the registry said; again it does nothing."""
        async with self._engine.begin() as connection:
            await self._insert(connection, schema)

    async def register(self, schemas: Sequence[KnownSchema]) -> None:
        """From now on the owner writes under these ids. All or none; again it does nothing.

        Raises:
            SchemaIdInUseError: an id has another schema, or a schema another id.
        """
        row = self._table.c
        async with self._engine.begin() as connection:
            for schema in schemas:
                await self._insert(connection, schema)
                here = row.registry == self._registry
                known = await self._known(connection, here, row.id == schema.id)
                if known[0].fingerprint != schema.fingerprint:
                    raise SchemaIdInUseError(
                        f"The registry says that {schema.subject} has id {schema.id}, which is known as "
                        f"{known[0].subject}: records have that id."
                    )
                used = (here, row.fingerprint == schema.fingerprint, row.registered_at.is_not(None))
                other = [each.id for each in await self._known(connection, *used) if each.id != schema.id]
                if other:
                    raise SchemaIdInUseError(
                        f"The registry says that {schema.subject} has id {schema.id}, and records have been "
                        f"written under id {other[0]}."
                    )
                await connection.execute(
                    update(self._table)
                    .where(here, row.id == schema.id, row.registered_at.is_(None))
                    .values(registered_at=func.now())
                )

    async def _insert(self, connection: AsyncConnection, schema: KnownSchema) -> None:
        values = {"registry": self._registry, **msgspec.structs.asdict(schema)}
        await connection.execute(insert(self._table).values(values).on_conflict_do_nothing())

    async def _found(self, *conditions: Any) -> list[KnownSchema]:
        async with self._engine.connect() as connection:
            return await self._known(connection, *conditions)

    async def _known(self, connection: AsyncConnection, *conditions: Any) -> list[KnownSchema]:
        row = self._table.c
        query = select(row.id, row.subject, row.fingerprint, row.definition).where(*conditions)
        return [KnownSchema(*each) for each in await connection.execute(query.order_by(row.id))]
