"""A process that stops at any moment gives free what its sessions hold, though it lives."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import psutil  # type: ignore[import-untyped]
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

kit._SESSION.update({name: str(int(kit._SESSION[name]) // 5) for name in sys.argv[3:]})

async def amid_its_answer(connection, stop):
    asyncio.get_running_loop().call_later(0.2, stop)
    await connection.fetch(DriverStatement(text("UPDATE wide SET number = 1 RETURNING *, pg_sleep(0.4)")))

async def behind_a_preparation(connection, stop):
    await connection.fetch(DriverStatement(text("UPDATE wide SET number = 1")))
    await connection._connection.prepare("SELECT number FROM wide")
    stop()

async def main():
    engine = kit.create_engine(sys.argv[1], application_name="test-frozen")
    stop = lambda: os.kill(os.getpid(), signal.SIGSTOP)
    async with driver_transaction(engine) as connection:
        await globals()[sys.argv[2]](connection, stop)

asyncio.run(main())
"""


@asynccontextmanager
async def frozen(
    database_url: str, moment: str, wait_event: str, bound: str
) -> AsyncIterator[asyncpg.Connection]:
    """A stranger's session, beside a process that has stopped at that moment, its bound a fifth of ours."""
    stranger = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await stranger.execute(WIDE_ROW)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, database_url, moment, bound,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    async def waits() -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = $1 AND state = 'active'"
        found = await stranger.fetchval(asked + " AND datname = current_database()", wait_event)
        return bool(found) and psutil.Process(client.pid).status() == psutil.STATUS_STOPPED

    await eventually(waits)
    try:
        yield stranger
    finally:
        client.send_signal(signal.SIGKILL)
        await client.wait()
        await stranger.close()


@pytest.mark.parametrize(
    ("moment", "wait_event", "bound"),
    [
        pytest.param("amid_its_answer", "ClientWrite", "tcp_user_timeout", id="amid its answer"),
        # The driver asks for a statement's shape and is to send it: no idle session to the server.
        pytest.param("behind_a_preparation", "ClientRead", "transaction_timeout", id="behind a preparation"),
    ],
)
async def test_a_process_that_stops_within_its_transaction_gives_its_rows_free(
    empty_database_url: str, moment: str, wait_event: str, bound: str
) -> None:
    """Nobody waits for a client that reads and sends no more."""
    async with frozen(empty_database_url, moment, wait_event, bound) as stranger:
        assert await stranger.fetch("SELECT number FROM wide FOR UPDATE SKIP LOCKED") == []

        async def is_free() -> bool:
            return bool(await stranger.fetch("SELECT number FROM wide FOR UPDATE SKIP LOCKED"))

        await eventually(is_free, within_seconds=60)
        assert await stranger.fetchval("SELECT number FROM wide") == 0
