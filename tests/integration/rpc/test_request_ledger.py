"""A service that is killed between COMMIT and reply: one effect, and the first reply, from the next one."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from devservices.instance import ROOT
from kits.observability.metrics import Metrics
from kits.postgres.driver import DriverStatement
from kits.postgres.engine import create_engine
from kits.postgres.request_ledger import SqlRequestLedger, request_ledger_table
from kits.postgres.schema import metadata
from kits.rpc.metrics import CallMetrics
from kits.rpc.over_kafka import rpc_client, rpc_producer
from kits.rpc.topics import request_spec
from tests.integration.kafka.clients import topic_admin
from tests.rpc_services import Article, Patterns, brokers_of, started
from tests.waiting import eventually, patient

TABLE = request_ledger_table(metadata())


def ddl(table: Table) -> str:
    return str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A service's database: its articles, and its ledger."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(ddl(TABLE))
    await connection.execute("CREATE TABLE article (number serial, title text)")
    yield connection
    await connection.close()


def service(
    servers: str, database_url: str, prefix: str, log: Path, mode: str = ""
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.integration.rpc.service_process",
        servers,
        database_url,
        prefix,
        mode,
    ]
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ})


async def test_a_kill_between_commit_and_reply_has_one_effect_and_the_first_reply(
    kafka_servers: str, empty_database_url: str, database: asyncpg.Connection, tmp_path: Path
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    patterns, log = Patterns(prefix), tmp_path / "service.log"
    brokers = brokers_of(kafka_servers, patterns.client_id)
    producer = rpc_producer(brokers)
    client = rpc_client(brokers, producer, CallMetrics(Metrics()))
    await topic_admin(kafka_servers).ensure_topics([request_spec(patterns.create.topic)])
    dying = service(kafka_servers, empty_database_url, prefix, log, "kill-after-commit")
    try:
        async with started(producer, client):
            call = asyncio.create_task(client.send(patterns.create, Article("one"), timeout=60))
            assert await asyncio.to_thread(dying.wait, patient(60)) == -9, log.read_text()
            assert not call.done()
            successor = service(kafka_servers, empty_database_url, prefix, log)
            try:
                assert await call == Article("one", 1), log.read_text()
                assert await client.send(patterns.create, Article("two"), timeout=60) == Article("two", 2)
            finally:
                successor.kill()
                await asyncio.to_thread(successor.wait)
    finally:
        dying.kill()
        await asyncio.to_thread(dying.wait)
    titles = await database.fetch("SELECT title FROM article ORDER BY number")
    assert [title for (title,) in titles] == ["one", "two"]


INSERT = DriverStatement(text("INSERT INTO article (title) VALUES ('a') RETURNING number"))


@pytest.fixture
async def ledger(empty_database_url: str, database: asyncpg.Connection) -> AsyncIterator[SqlRequestLedger]:
    engine = create_engine(empty_database_url, application_name="test-ledger")
    yield SqlRequestLedger(engine, TABLE)
    await engine.dispose()


async def test_a_request_in_two_processes_at_once_is_carried_out_by_one(
    ledger: SqlRequestLedger, database: asyncpg.Connection
) -> None:
    """The second waits for the end of the first, and gets its reply; also an empty one."""
    first = await ledger.begin("r-1")
    await first.work.fetch(INSERT)
    second = asyncio.create_task(ledger.begin("r-1"))

    async def it_waits() -> bool:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(await database.fetchval(f"{waiting} AND datname = current_database()"))

    await eventually(it_waits)
    await first.finish(None)
    known = await second
    assert (known.is_answered, known.reply) == (True, None)
    await known.abandon()
    assert await database.fetchval("SELECT count(*) FROM article") == 1


async def test_what_was_given_up_has_left_nothing(
    ledger: SqlRequestLedger, database: asyncpg.Connection
) -> None:
    """Neither its effect nor its name: the same request may come again. Giving up twice does nothing."""
    entry = await ledger.begin("r-1")
    await entry.work.fetch(INSERT)
    await entry.abandon()
    await entry.abandon()
    again = await ledger.begin("r-1")
    assert not again.is_answered
    await again.finish(b"reply")
    await again.abandon()
    assert await database.fetchval("SELECT count(*) FROM article") == 0
    assert await database.fetchval("SELECT reply FROM rpc_request") == b"reply"


async def test_replies_are_forgotten_after_a_day(
    ledger: SqlRequestLedger, database: asyncpg.Connection
) -> None:
    for name in ("old", "new"):
        await (await ledger.begin(name)).finish(b"")
    await database.execute("UPDATE rpc_request SET created_at = now() - interval '25 hours' WHERE id = 'old'")
    assert await ledger.forget_old(100) == 1
    assert await database.fetchval("SELECT id FROM rpc_request") == "new"
