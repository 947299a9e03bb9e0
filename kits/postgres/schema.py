"""PostgreSQL schema conventions: names of constraints, and rows as arrays: one statement per table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    LargeBinary,
    MetaData,
    Table,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.type_api import TypeEngine

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLAlchemy keeps a table's plain column names to itself in UPDATE … FROM.
_PREFIX = "all_"


DECLARED_SCHEMA = "public"
"""Where tables are declared that say nothing else; an engine may find them elsewhere (`schemas`)."""


def metadata(schema: str = DECLARED_SCHEMA) -> MetaData:
    """A MetaData whose constraints get stable names, so that a migration can name what it drops.

    Every table has a schema: in a statement its name is qualified, whatever search_path the role has.
    """
    return MetaData(schema=schema, naming_convention=_NAMES)


def schemas_of(connection: AsyncConnection) -> Mapping[str, str]:
    """Where the tables of these declared schemas lie (`kits.postgres.engine`); empty: where declared."""
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    schemas: Mapping[str, str] = options.get("schema_translate_map") or {}
    return schemas


def qualified(table: Table, engine: AsyncEngine) -> str:
    """The table's name for a statement that is written as text: quoted, in the schema where it lies."""
    moved: Mapping[str, str] = engine.get_execution_options().get("schema_translate_map") or {}
    schema = str(table.schema)
    names = (moved.get(schema, schema), table.name)
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def in_any(column: ColumnElement[str], *values: str) -> ColumnElement[bool]:
    """`column IN ('a', 'b')` with the words in the statement itself; `in_()` leaves them to the engine.

    As literals they also match the predicate of a partial index, whatever plan the server keeps.
    """
    return column.in_([literal_column(f"'{value}'") for value in values])


def rows_from_arrays(name: str, /, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """`unnest(:all_a, :all_b, …) AS name (a, b, …)`: any number of rows in one bind parameter per column."""
    arrays = [bindparam(_PREFIX + column, type_=ARRAY(kind)) for column, kind in columns.items()]
    return func.unnest(*arrays).table_valued(*columns).render_derived(name=name)


def rows_for(table: Table, *columns: str, **more: TypeEngine[Any]) -> TableValuedAlias:
    """Rows for these columns of a table, and `more` beside them; documents travel as JSON text."""
    kinds = {column: _sent_as(table.c[column].type) for column in columns}
    return rows_from_arrays("new_row", **kinds, **more)


def values_for(table: Table, rows: TableValuedAlias, *columns: str) -> list[ColumnElement[Any]]:
    """What to select from `rows_for` for an INSERT into these columns."""
    return [
        cast(rows.c[column], JSONB) if isinstance(table.c[column].type, JSONB) else rows.c[column]
        for column in columns
    ]


def rows_from_document(name: str, /, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """`json_to_recordset(:rows) AS name (a type, …)`: any number of rows in one parameter (`as_document`).

    One document costs its sender a fifth of an array per column. Bytes travel in base64 (see `received`).
    """
    document = cast(bindparam("rows", type_=Text), JSON)
    sent = [column(name, Text() if _is_bytes(kind) else kind) for name, kind in columns.items()]
    return func.json_to_recordset(document).table_valued(*sent).render_derived(name=name, with_types=True)


def insert_from_document(table: Table, *columns: str) -> Insert:
    """INSERT of any number of rows in one statement; bind `rows` as `as_document` makes it."""
    rows = rows_from_document("new_row", **{name: table.c[name].type for name in columns})
    return insert(table).from_select(list(columns), select(*received(table, rows, *columns)))


def received(table: Table, rows: TableValuedAlias, *columns: str) -> list[ColumnElement[Any]]:
    """What to select from `rows_from_document` for an INSERT into these columns."""
    return [
        func.decode(rows.c[name], literal_column("'base64'"))
        if _is_bytes(table.c[name].type)
        else rows.c[name]
        for name in columns
    ]


def as_document(rows: Sequence[Any]) -> dict[str, str]:
    """Bind rows for the statements above: dicts, structs or dataclasses whose fields are the columns."""
    return {"rows": msgspec.json.encode(rows).decode()}


def _is_bytes(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, LargeBinary)


def insert_from_arrays(table: Table, *columns: str) -> Insert:
    """INSERT of any number of rows in one statement; bind one array per column (see `as_arrays`)."""
    rows = rows_for(table, *columns)
    return insert(table).from_select(list(columns), select(*values_for(table, rows, *columns)))


def as_arrays(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Turn rows into one list per column, as the statements above want them bound."""
    turned = list(zip(*rows, strict=True))
    return {_PREFIX + column: list(turned[place]) if turned else [] for place, column in enumerate(columns)}


def _sent_as(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    # An array of documents would take a document that is a list for one more dimension of the array.
    return Text() if isinstance(kind, JSONB) else kind
