"""The tables as the code knows them are those that the migrations make."""

import asyncpg

from worker.inbox.table import SCHEMA, inbox


async def test_every_column_is_where_the_code_expects_it(database_url: str) -> None:
    """By table, name and whether it may be empty."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
            " WHERE table_schema = $1 AND table_name LIKE 'inbox\\_%'",
            SCHEMA,
        )
    finally:
        await connection.close()
    made = {(row["table_name"], row["column_name"], row["is_nullable"] == "YES") for row in rows}
    known = {
        (table.name, column.name, bool(column.nullable))
        for table in inbox.tables.values()
        for column in table.columns
    }
    assert made == known
