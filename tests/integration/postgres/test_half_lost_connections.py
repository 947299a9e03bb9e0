"""A connection whose server has said goodbye, while the network has not yet told that it is closed."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverStatement, driver_connection, driver_fetch, driver_transaction
from kits.postgres.engine import create_engine
from kits.postgres.errors import Fault, fault_of
from tests.waiting import patient

BACKEND = DriverStatement(text("SELECT pg_backend_pid()"))
ERROR_MESSAGE = b"E"
LOOP_TURNS = 10


class Farewell:
    """A way to the server that passes everything on, but not the end that follows an error."""

    def __init__(self, database_url: str) -> None:
        self._server = urlsplit(database_url)
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.said = asyncio.Event()

    async def start(self) -> str:
        """The address by which the database is reached this way."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        user = self._server.netloc.rpartition("@")[0]
        return self._server._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    async def stop(self) -> None:
        """Now everybody hears of the end."""
        self._listener.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, server = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers += [writer, server]
        for task in (self._pass(reader, server), self._pass(upstream, writer, answers=True)):
            self._tasks.add(asyncio.create_task(task))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        last = b""
        while chunk := await reader.read(65536):
            last = chunk
            writer.write(chunk)
            if answers and chunk.startswith(ERROR_MESSAGE):
                self.said.set()
        if not last.startswith(ERROR_MESSAGE):
            writer.close()


@pytest.fixture
async def farewell(database_url: str) -> AsyncIterator[Farewell]:
    """Beside the direct way."""
    way = Farewell(database_url)
    yield way
    await way.stop()


@pytest.fixture
async def engine(farewell: Farewell) -> AsyncIterator[AsyncEngine]:
    """One connection only, so that a broken one would be lent again."""
    engine = create_engine(await farewell.start(), application_name="test", pool_size=1)
    yield engine
    await engine.dispose()


async def dismissed(engine: AsyncEngine, farewell: Farewell, database_url: str) -> None:
    """The pool's connection, idle, gets its server's last words."""
    async with driver_connection(engine) as connection:
        (row,) = await connection.fetch(BACKEND)
    other = await asyncpg.connect(database_url)
    await other.execute("SELECT pg_terminate_backend($1)", row[0])
    await other.close()
    await asyncio.wait_for(farewell.said.wait(), patient(60))
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0.01)  # nothing tells when the driver has read what is on its way to it


async def test_it_counts_as_an_outage_and_is_not_lent_again(
    engine: AsyncEngine, farewell: Farewell, database_url: str
) -> None:
    """On the driver's way: the request is answered 503, and the next one finds a living connection."""
    await dismissed(engine, farewell, database_url)
    with pytest.raises(asyncpg.InternalClientError) as lost:
        async with driver_connection(engine) as connection:
            await connection.fetch(BACKEND)
    assert fault_of(lost.value) is Fault.OUTAGE
    async with driver_connection(engine) as connection:
        assert await connection.fetch(BACKEND)


async def test_a_transaction_begins_on_a_living_connection_at_once(
    engine: AsyncEngine, farewell: Farewell, database_url: str
) -> None:
    """Nothing was done on the other one yet: nobody needs to know."""
    await dismissed(engine, farewell, database_url)
    async with driver_transaction(engine) as connection:
        assert await connection.fetch(BACKEND)


async def test_a_statement_of_its_own_is_run_again_on_a_living_connection(
    engine: AsyncEngine, farewell: Farewell, database_url: str
) -> None:
    """One try more, no loop."""
    await dismissed(engine, farewell, database_url)
    assert await driver_fetch(engine, BACKEND)


async def test_the_engine_does_not_lend_it_again_either(
    engine: AsyncEngine, farewell: Farewell, database_url: str
) -> None:
    """Readiness and queries go the engine's way."""
    await dismissed(engine, farewell, database_url)
    with pytest.raises(InternalError) as lost:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    assert fault_of(lost.value) is Fault.OUTAGE
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
