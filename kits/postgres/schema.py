"""PostgreSQL schema conventions: names of constraints, and rows as arrays: one statement per table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
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
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.type_api import TypeEngine

from kits.postgres.identifiers import quoted

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# A column may have the name of a parameter that the statement has beside its rows.
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


def unnest(name: str, columns: Mapping[str, str]) -> str:
    """`unnest(CAST(:all_a AS type[]), …) AS name (a, …)`, for a statement written as text (`as_arrays`).

    An array per column costs the server a fifth of a document, and bytes stay bytes: for rows that are wide
    or many. Documents inside travel as JSON text.
    """
    arrays = ", ".join(f"CAST(:{_PREFIX}{column} AS {kind}[])" for column, kind in columns.items())
    return f"unnest({arrays}) AS {name} ({', '.join(quoted(column) for column in columns)})"


def as_arrays(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Bind rows for `unnest`, with their values in the order of the columns."""
    arrays = list(zip(*rows, strict=True))
    return {_PREFIX + column: arrays[at] if arrays else () for at, column in enumerate(columns)}
