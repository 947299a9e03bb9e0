"""The servers of one bench: its own, gone at its end, or those that TEST_... names, left as they were."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from bench.commands import run_command
from contracts.topics import ORDER_EVENTS
from devservices import throwaway
from devservices.errors import DevServicesError
from devservices.stack import Addresses, Stack

TEST_DATABASE_URL = "TEST_DATABASE_URL"
TEST_KAFKA = "TEST_KAFKA_BOOTSTRAP_SERVERS"
_PRODUCT_NAMES = (
    "DATABASE_URL", "WORKER_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_TOKEN",
    "ORDER_EVENTS_PARTITIONS",
)  # fmt: skip


class TopicInUseError(DevServicesError):
    """The broker to be measured on has orders of somebody else."""

    code = "topic_in_use"


@asynccontextmanager
async def bench_servers(environ: Mapping[str, str] = os.environ) -> AsyncIterator[Addresses]:
    """A database of this bench's own and a broker without `order-events`; both are removed again.

    Raises:
        DevServicesError: a server can't be had.
    """
    given_database, given_kafka = environ.get(TEST_DATABASE_URL), environ.get(TEST_KAFKA)
    stack = throwaway.claim("bench")
    try:
        if not given_database:
            stack.postgres.start()
        if not given_kafka:
            stack.kafka.start()
        server = given_database or stack.postgres.url("postgres")
        async with (
            _database(server.replace("postgresql+asyncpg://", "postgresql://")) as url,
            _topic(given_kafka, stack) as kafka,
        ):
            yield Addresses(url, kafka)
    finally:
        throwaway.release(stack)


@dataclass(frozen=True, slots=True)
class Place:
    """Servers with the product's tables, empty; the environment of its processes, and a folder for logs."""

    addresses: Addresses
    environment: dict[str, str]
    directory: Path


@asynccontextmanager
async def migrated_servers() -> AsyncIterator[Place]:
    """As `bench_servers`, with the tables of both processes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        async with bench_servers() as addresses:
            caller = {name: value for name, value in os.environ.items() if name not in _PRODUCT_NAMES}
            environment = {
                **caller, **addresses.as_environment(), "ENV_FILE": os.devnull,
                "JWT_SECRET": secrets.token_hex(32), "LOG_LEVEL": "info", "LOG_FILE": "",
            }  # fmt: skip
            for process in ("app", "worker"):
                await run_command(process, "migrate", environment=environment)
            yield Place(addresses, environment, Path(directory))


@asynccontextmanager
async def _database(server_url: str) -> AsyncIterator[str]:
    name = f"bench_{secrets.token_hex(4)}"
    await _execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        await _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=10)


@asynccontextmanager
async def _topic(given: str | None, stack: Stack) -> AsyncIterator[str]:
    if not given:
        yield stack.kafka.bootstrap_servers
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=given)
    await admin.start()
    try:
        if ORDER_EVENTS in await admin.list_topics():
            raise TopicInUseError(
                f"The broker at {TEST_KAFKA} has a topic {ORDER_EVENTS} already: name one without it."
            )
        yield given
        await admin.delete_topics([ORDER_EVENTS])
    finally:
        await admin.close()
