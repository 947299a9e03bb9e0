"""Real servers for the tests: one PostgreSQL and one Kafka per process of pytest,
a database and a topic per test.

Nothing starts before a test asks for it. TEST_DATABASE_URL and TEST_KAFKA_BOOTSTRAP_SERVERS name servers to
use instead; on those only databases and topics that this run created are touched, and removed at its end.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devservices import throwaway
from devservices.stack import Stack
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from tests.secured_kafka import secured_kafka
from tests.waiting import eventually, patient
from worker.inbox.table import SCHEMA as INBOX_SCHEMA

__all__ = ["secured_kafka"]

# A developer's .env is for the processes that the developer starts, and for none of a test.
os.environ["ENV_FILE"] = os.devnull

RUN_ID = uuid.uuid4().hex[:8]
TOPIC_PARTITIONS = 3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The bound of a whole test is patient too."""
    if config.option.timeout:
        config.option.timeout = patient(config.option.timeout)


@pytest.fixture(scope="session")
def own_servers() -> Iterator[Stack]:
    """This session's own instance of the development services; its servers start when they are asked for."""
    stack = throwaway.claim("test", fsync=False)
    yield stack
    throwaway.release(stack)


@pytest.fixture(scope="session")
def postgres_server_url(request: pytest.FixtureRequest) -> str:
    """Address of a database on the session's PostgreSQL whose user may create databases."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        return given.replace("postgresql+asyncpg://", "postgresql://")
    stack: Stack = request.getfixturevalue("own_servers")
    stack.postgres.start(patient(60))
    return stack.postgres.url("postgres")


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of the session's Kafka."""
    if given := os.environ.get("TEST_KAFKA_BOOTSTRAP_SERVERS"):
        return given
    stack: Stack = request.getfixturevalue("own_servers")
    stack.kafka.start(patient(60))
    return stack.kafka.bootstrap_servers


@pytest.fixture(scope="session")
def template_database(postgres_server_url: str) -> Iterator[str]:
    """Name of a database with both processes' tables, migrated once; every `database_url` is a copy of it."""
    name = f"test_{RUN_ID}_template"
    asyncio.run(execute(postgres_server_url, f'CREATE DATABASE "{name}"'))
    asyncio.run(migrate(database_address(postgres_server_url, name)))
    yield name
    asyncio.run(execute(postgres_server_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def database_url(postgres_server_url: str, template_database: str) -> AsyncIterator[str]:
    """A migrated database for this test alone."""
    async for url in fresh_database(postgres_server_url, f' TEMPLATE "{template_database}"'):
        yield url


@pytest.fixture
async def empty_database_url(postgres_server_url: str) -> AsyncIterator[str]:
    """A database without any table for this test alone."""
    async for url in fresh_database(postgres_server_url, ""):
        yield url


@pytest.fixture
async def topic(kafka_servers: str) -> AsyncIterator[str]:
    """Name of a topic with three partitions for this test alone."""
    name = f"test-{RUN_ID}-{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, TOPIC_PARTITIONS, 1)])

        async def every_partition_is_led() -> bool:
            described = await admin.describe_topics([name])
            partitions = described[0]["partitions"]
            return len(partitions) == TOPIC_PARTITIONS and all(each["leader"] >= 0 for each in partitions)

        await eventually(every_partition_is_led)
        yield name
        await admin.delete_topics([name])
    finally:
        await admin.close()


async def fresh_database(server_url: str, template: str) -> AsyncIterator[str]:
    """Create a database, give its address, drop it even while it is still in use."""
    name = f"test_{RUN_ID}_{uuid.uuid4().hex[:12]}"
    await execute(server_url, f'CREATE DATABASE "{name}"{template}')
    yield database_address(server_url, name)
    await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def execute(url: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url, timeout=patient(60))
    try:
        await connection.execute(statement, timeout=patient(60))
    finally:
        await connection.close(timeout=patient(60))


def database_address(server_url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


async def migrate(url: str) -> None:
    """Bring the tables of the shop and of the worker to their newest revision."""
    engine = create_engine(url, application_name="tests")
    try:
        await History("app").migrate(engine)
        await History("worker", schema=INBOX_SCHEMA).migrate(engine)
    finally:
        await engine.dispose()
