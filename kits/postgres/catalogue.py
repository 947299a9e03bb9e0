"""PostgreSQL catalogue: what is there of a history, and what this role may do about it, in two questions."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kits.postgres.identifiers import quoted

FORMER_VERSION = "alembic_version"

# The catalogue can be read whatever the rights are, and whatever the search_path is.
_SCHEMA = text(
    "SELECT current_user, current_database(), pg_encoding_to_char(d.encoding) AS encoding, n.oid IS NOT NULL,"
    " has_database_privilege(d.oid, 'CREATE') AS creates_schemas,"
    " coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS creates_tables,"
    " coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS uses"
    " FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = :schema"
    " WHERE d.datname = current_database()"
)
_TABLES = text(
    "SELECT c.relname, has_table_privilege(c.oid, 'SELECT')"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname = ANY(:names) AND c.relkind IN ('r', 'p')"
)


@dataclass(frozen=True, slots=True)
class Tables:
    """What a history makes: its schema, its version table, and the tables at its head."""

    schema: str
    version: str
    made: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """What is there of it."""

    tables: Tables
    role: str
    database: str
    encoding: str
    schema_exists: bool
    creates_schemas: bool
    creates_tables: bool
    readable: dict[str, bool]
    """The tables that exist, and whether this role may read each."""
    revision: str = ""
    """Empty if the history never ran here, or cannot be read."""

    @property
    def missing(self) -> frozenset[str]:
        """Tables of the head that do not exist."""
        return self.tables.made - self.readable.keys()

    @property
    def version_is_readable(self) -> bool:
        """False only if there is a version and this role may not see it."""
        return self.readable.get(self.tables.version, True)


async def look_up(connection: AsyncConnection, tables: Tables) -> Found:
    """Ask what is there; never fails for want of a right."""
    asked = {"schema": tables.schema}
    state = (await connection.execute(_SCHEMA, asked)).one()
    names = [*tables.made, tables.version, FORMER_VERSION]
    rows = (await connection.execute(_TABLES, {**asked, "names": names})).all()
    readable = {name: may_read and state.uses for name, may_read in rows}
    revision = ""
    if readable.get(tables.version):
        query = text(f"SELECT version_num FROM {quoted(tables.schema)}.{quoted(tables.version)}")  # noqa: S608 - names of our own, quoted
        revision = (await connection.execute(query)).scalar() or ""
    return Found(
        tables=tables,
        role=state[0],
        database=state[1],
        encoding=state.encoding,
        schema_exists=state[3],
        creates_schemas=state.creates_schemas,
        creates_tables=state.creates_tables,
        readable=readable,
        revision=revision,
    )


def refusal(found: Found) -> str:
    """Why it cannot be migrated, and what to do, as one sentence; empty if it can."""
    schema, role = quoted(found.tables.schema), quoted(found.role)
    if found.encoding != "UTF8":
        return (
            f"The database {quoted(found.database)} is encoded in {found.encoding}, and must be in UTF8:"
            " create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    if not found.schema_exists and not found.creates_schemas:
        return (
            f"There is no schema {schema}, and the role {role} may not create it: let an administrator run"
            f" CREATE SCHEMA {schema} AUTHORIZATION {role}."
        )
    if found.schema_exists and not found.creates_tables:
        return (
            f"The role {role} may not create tables in the schema {schema}: let its owner run GRANT USAGE,"
            f" CREATE ON SCHEMA {schema} TO {role}, or name another one (DATABASE_SCHEMA for the shop,"
            " WORKER_DATABASE_SCHEMA for the worker, MEMBERS_DATABASE_SCHEMA for the members)."
        )
    return ""
