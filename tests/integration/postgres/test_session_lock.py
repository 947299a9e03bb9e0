"""A lock that one process of many has, as long as its session lasts."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.engine import create_engine
from kits.postgres.session_lock import SessionLock
from tests.waiting import eventually, patient


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    """As of one process."""
    engine = create_engine(empty_database_url, application_name="test-lock", pool_size=3)
    yield engine
    await engine.dispose()


async def test_one_has_it_until_its_session_ends_and_then_the_next(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    """Given back, or lost with the connection; another shop in the same database has one of its own."""
    mine, others, elsewhere = (SessionLock(engine, "a", schema=schema) for schema in ("s", "s", "t"))
    assert [await lock.is_ours() for lock in (mine, others, elsewhere, mine)] == [True, False, True, True]
    await mine.give_back()
    # The server learns of the end of a connection a moment later.
    assert await eventually(others.is_ours)
    assert not await mine.is_ours()
    connection = await asyncpg.connect(empty_database_url, timeout=patient(60))
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await connection.close()
    assert await mine.is_ours()
    assert not await others.is_ours()
    for lock in (mine, others, elsewhere):
        await lock.give_back()


async def test_nobody_has_it_while_the_database_is_away() -> None:
    """It is asked for again and again; nothing is raised."""
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test-lock")
    assert not await SessionLock(engine, "a", schema="s").is_ours()
    await engine.dispose()
