"""Core statements on the driver: what they read, and what a broken connection leaves behind."""

from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverStatement, driver_connection, driver_transaction
from kits.postgres.errors import Fault, fault_of
from kits.postgres.schema import as_document, insert_from_document

_DOUBLE = DriverStatement(select(bindparam("number", type_=Integer) * 2, func.length("fixed")))
_BACKEND = DriverStatement(select(func.pg_backend_pid()))
_TERMINATE = DriverStatement(select(func.pg_terminate_backend(func.pg_backend_pid())))
_DIVIDE = DriverStatement(select(bindparam("number", type_=Integer) / 0))


async def test_named_values_reach_their_numbers_and_fixed_ones_need_no_name(engine: AsyncEngine) -> None:
    """A value that was forgotten is an error, not NULL."""
    async with driver_connection(engine) as connection:
        assert [tuple(row) for row in await connection.fetch(_DOUBLE, {"number": 21})] == [(42, 5)]
        with pytest.raises(KeyError):
            await connection.fetch(_DOUBLE)


async def test_a_transaction_commits_at_its_end_and_an_exception_rolls_it_back(engine: AsyncEngine) -> None:
    """As the engine's own transactions do."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE kept (number integer)"))
    keep = DriverStatement(text("INSERT INTO kept VALUES (:number)"))
    async with driver_transaction(engine) as driver:
        await driver.fetch(keep, {"number": 1})
    with pytest.raises(asyncpg.DivisionByZeroError) as refused:
        await _keep_and_fail(engine, keep)
    assert fault_of(refused.value) is Fault.DEFINITE
    async with engine.connect() as reading:
        assert [tuple(row) for row in await reading.execute(text("SELECT number FROM kept"))] == [(1,)]


async def test_writes_travel_together_before_the_next_read_and_before_the_commit(engine: AsyncEngine) -> None:
    """Each keeps its own parameters, and a second write to one table comes after the first."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE a (id integer, note text)"))
        await connection.execute(text("CREATE TABLE b (id integer, note text)"))
    tables = {name: Table(name, MetaData(), Column("id", Integer), Column("note", Text)) for name in "ab"}
    add = {name: DriverStatement(insert_from_document(table, "id", "note")) for name, table in tables.items()}
    rename = DriverStatement(update(tables["a"]).values(note=bindparam("to")))
    async with driver_transaction(engine) as driver:
        await driver.write(add["a"], as_document([{"id": 1, "note": "one"}, {"id": 2, "note": "two"}]))
        await driver.write(add["b"], as_document([{"id": 3, "note": "three"}]))
        await driver.write(rename, {"to": "renamed"})
        read = await driver.fetch(DriverStatement(select(tables["a"]).order_by(tables["a"].c.id)))
        assert [tuple(row) for row in read] == [(1, "renamed"), (2, "renamed")]
        await driver.write(add["b"], as_document([{"id": 4, "note": "at the end"}]))
    async with engine.connect() as reading:
        kept = await reading.execute(select(tables["b"]).order_by(tables["b"].c.id))
        assert [tuple(row) for row in kept] == [(3, "three"), (4, "at the end")]


async def test_a_statement_of_several_parts_travels_with_the_writes_before_it(engine: AsyncEngine) -> None:
    """As the last of them; its rows are those that come back."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE a (id integer)"))
        await connection.execute(text("CREATE TABLE b (id integer)"))
    first = DriverStatement(text("INSERT INTO a VALUES (:id)"))
    parts = """
    WITH new AS (SELECT CAST(:id AS integer) AS id), kept AS (INSERT INTO b SELECT id FROM new RETURNING id)
    SELECT id FROM kept"""
    async with driver_transaction(engine) as driver:
        first.table = "a"
        await driver.write(first, {"id": 1})
        await driver.write(DriverStatement(text(parts)), {"id": 2})
        assert [tuple(row) for row in await driver.flush()] == [(2,)]
    async with engine.connect() as reading:
        read = await reading.execute(text("SELECT a.id, b.id FROM a, b"))
        assert [tuple(row) for row in read] == [(1, 2)]


async def test_what_a_row_holds_arrives_as_it_was_sent(engine: AsyncEngine) -> None:
    """Bytes, quotes, line breaks, documents, times and NULL, in one parameter for all rows."""
    columns = (Column("id", Integer), Column("raw", LargeBinary), Column("note", Text), Column("doc", JSONB),
               Column("at", DateTime(timezone=True)))  # fmt: skip
    table = Table("sent", MetaData(), *columns)
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE sent (id int, raw bytea, note text, doc jsonb, at timestamptz)")
        )
    moment = datetime(2026, 11, 21, 7, 0, 0, 123000, tzinfo=UTC)
    rows = [
        {
            "id": 1,
            "raw": bytes(range(256)),
            "note": 'a "quote", \\ and\na break, 상품',
            "doc": [{"a": [1]}],
            "at": moment,
        },
        {"id": 2, "raw": b"", "note": None, "doc": {}, "at": None},
    ]
    async with driver_transaction(engine) as driver:
        insert = DriverStatement(insert_from_document(table, *(column.name for column in columns)))
        await driver.write(insert, as_document(rows))
    async with engine.connect() as reading:
        kept = await reading.execute(select(table).order_by(table.c.id))
        assert [dict(row) for row in kept.mappings()] == rows


async def _keep_and_fail(engine: AsyncEngine, keep: DriverStatement) -> None:
    async with driver_transaction(engine) as driver:
        await driver.fetch(keep, {"number": 2})
        await driver.fetch(_DIVIDE, {"number": 1})


async def _lose_the_connection(engine: AsyncEngine) -> None:
    async with driver_transaction(engine) as connection:
        await connection.fetch(_TERMINATE)
        await connection.fetch(_BACKEND)


async def test_a_connection_that_was_lost_is_an_outage_and_is_never_lent_again(engine: AsyncEngine) -> None:
    """The next transaction gets another one."""
    async with driver_transaction(engine) as connection:
        ((lost,),) = await connection.fetch(_BACKEND)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as gone:
        await _lose_the_connection(engine)
    assert fault_of(gone.value) is Fault.OUTAGE
    async with driver_transaction(engine) as connection:
        ((other,),) = await connection.fetch(_BACKEND)
    assert other != lost


async def test_a_value_that_cannot_be_sent_is_definite(engine: AsyncEngine) -> None:
    """Sending it again would fail again."""
    async with driver_connection(engine) as connection:
        with pytest.raises(asyncpg.DataError) as refused:
            await connection.fetch(_DOUBLE, {"number": 2**40})
    assert fault_of(refused.value) is Fault.DEFINITE
