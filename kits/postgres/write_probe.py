"""PostgreSQL write probe: shows that this process may write and that the server can, and leaves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Executable, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kits.postgres.identifiers import quoted
from kits.postgres.schema import schemas_of

# Columns too: a role may have a right on some of a table's columns only.
_LACKING = text("""
    SELECT asked.name, asked.needed, to_regclass(asked.name) IS NULL
    FROM unnest(CAST(:names AS text[]), CAST(:needed AS text[])) AS asked (name, needed)
    WHERE CASE
        WHEN to_regclass(asked.name) IS NULL THEN true
        WHEN asked.needed = 'DELETE' THEN NOT has_table_privilege(to_regclass(asked.name), 'DELETE')
        ELSE NOT has_any_column_privilege(to_regclass(asked.name), asked.needed)
    END
    ORDER BY asked.name, asked.needed
""")
# A row more fits into a page that is there already, also on a full disk; a file that is new does not.
_LITTLE_MEMORY = text("SET LOCAL work_mem = '64kB'")
_SPILL = text("SELECT count(*) FROM generate_series(1, 10000)")


@dataclass(frozen=True, slots=True)
class WriteProbe:
    """What a process must be able to write."""

    rights: Mapping[Table, Sequence[str]]
    """Table -> SELECT, INSERT, UPDATE, DELETE: what the process does with it."""
    write: Executable
    """One small write, which is rolled back."""

    async def run(self, connection: AsyncConnection) -> str:
        """Try, in the connection's transaction, which must not be committed; what is lacking, or "".

        Raises:
            As any statement: the server is read-only, its disk is full, a lock is held, it is away.
        """
        schemas = schemas_of(connection)
        asked = [(_name(table, schemas), right) for table, rights in self.rights.items() for right in rights]
        names, needed = zip(*asked, strict=True)
        found = await connection.execute(_LACKING, {"names": list(names), "needed": list(needed)})
        lacking = [
            f"there is no table {table}" if missing else f"the role lacks {right} on {table}"
            for table, right, missing in found
        ]
        if not lacking:
            await connection.execute(_LITTLE_MEMORY)
            await connection.execute(_SPILL)
            await connection.execute(self.write)
        return ", ".join(dict.fromkeys(lacking))


def _name(table: Table, schemas: Mapping[str, str]) -> str:
    declared = table.schema or ""
    return f"{quoted(schemas.get(declared, declared))}.{quoted(table.name)}"
