"""PostgreSQL migrations: the version that older builds kept in `alembic_version`, which is anybody's."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kits.postgres.catalogue import FORMER_VERSION, Found
from kits.postgres.identifiers import quoted


async def adopt(connection: AsyncConnection, found: Found, known: Collection[str]) -> str:
    """The revision that an older build of ours left there; empty if there is none.

    The table is ours when it holds a revision that this build knows and tables of ours stand beside it;
    another program's is never touched.
    """
    if not found.readable.get(FORMER_VERSION) or found.missing == found.tables.made:
        return ""
    # An older build that migrates at this moment takes this lock.
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
    query = text(f"SELECT version_num FROM {_former(found)} WHERE version_num = ANY(:known)")  # noqa: S608 - a quoted name
    return (await connection.execute(query, {"known": list(known)})).scalar() or ""


async def follow(connection: AsyncConnection, found: Found, known: Collection[str], head: str) -> None:
    """Let builds that still read `alembic_version` see there that the database is newer than they are.

    During a deploy they run on beside this one. The row stays until a later release takes it away.
    """
    if await adopt(connection, found, known):
        query = text(f"UPDATE {_former(found)} SET version_num = :head WHERE version_num = ANY(:known)")  # noqa: S608 - a quoted name
        await connection.execute(query, {"head": head, "known": list(known)})


def _former(found: Found) -> str:
    return f"{quoted(found.tables.schema)}.{quoted(FORMER_VERSION)}"
