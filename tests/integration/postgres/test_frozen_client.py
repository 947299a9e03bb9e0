"""A process that stops at any moment gives free what its sessions hold, though it lives."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from devservices.instance import ROOT
from tests.waiting import eventually

# More than the socket's buffers take, so that the server waits in the middle of the answer.
WIDE_ROW = "CREATE TABLE wide AS SELECT 0 AS number, repeat('x', 50000000) AS content"
CLIENT = """
import asyncio, os, signal, sys
from kits.postgres import engine as kit
from kits.postgres.driver import DriverStatement, driver_transaction
from sqlalchemy import text

kit._SESSION.update({name: str(int(kit._SESSION[name]) // 5) for name in sys.argv[2:]})

async def main():
    engine = kit.create_engine(sys.argv[1], application_name="test-frozen")
    stop = lambda: os.kill(os.getpid(), signal.SIGSTOP)
    asyncio.get_running_loop().call_later(0.2, stop)
    async with driver_transaction(engine) as connection:
        await connection.fetch(DriverStatement(text("UPDATE wide SET number = 1 RETURNING *, pg_sleep(0.4)")))

asyncio.run(main())
"""


@pytest.fixture
async def frozen(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A stranger's session, beside a process that has stopped while its rows were on the way to it."""
    stranger = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    await stranger.execute(WIDE_ROW)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, empty_database_url, "tcp_user_timeout",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    async def waits_in_its_answer() -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
        return bool(await stranger.fetchval(asked + " AND datname = current_database()"))

    await eventually(waits_in_its_answer)
    yield stranger
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await stranger.close()


async def test_a_process_that_stops_amid_its_answer_gives_its_rows_free(frozen: asyncpg.Connection) -> None:
    """Nobody waits for a statement whose client reads no more."""
    assert await frozen.fetch("SELECT number FROM wide FOR UPDATE SKIP LOCKED") == []

    async def is_free() -> bool:
        return bool(await frozen.fetch("SELECT number FROM wide FOR UPDATE SKIP LOCKED"))

    await eventually(is_free, within_seconds=60)
    assert await frozen.fetchval("SELECT number FROM wide") == 0
