"""The Member API for the tests: inside of the test on a real database, or as processes of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition
from sqlalchemy import text

from contracts.member_events import MEMBER_TOPIC_PARTITIONS
from devservices.instance import ROOT
from devservices.ports import choose_free
from devservices.processes import ManagedProcess, spawn
from kits.kafka.security import KafkaSettings
from kits.settings import Secret
from kits.web.server.serving import Ops, serve
from kits.web.tokens.settings import TokenSettings
from services.members.container import Container
from services.members.main import create_app, create_ops_app
from services.members.settings import HouseDatabaseSettings, MembersSettings, ProcessSettings
from tests.commands import PASSED_ON
from tests.integration.api.raw import Reply, exchange, message
from tests.integration.api_process import SECRET, a_token
from tests.waiting import eventually, patient

NO_KAFKA = "127.0.0.1:1"
SCHEMA = "members"


@dataclass(slots=True)
class MemberApi:
    """A running Member API and how to talk to it."""

    container: Container
    port: int
    ops_port: int

    async def get(self, path: str, **headers: str) -> Reply:
        """GET without a token."""
        return await exchange(self.port, message("GET", path, b"", **headers))

    async def put(self, member_id: str, first_name: str, last_name: str, **headers: str) -> Reply:
        """The member says what it is called."""
        body = msgspec.json.encode({"firstName": first_name, "lastName": last_name})
        return await self.send(member_id, body, **headers)

    async def send(self, member_id: str, body: bytes, **headers: str) -> Reply:
        """PUT of these bytes, by the member."""
        return await exchange(self.port, a_put(member_id, body, **headers))

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query finds in the members' schema."""
        async with self.container.engine().begin() as connection:
            await connection.execute(text(f"SET LOCAL search_path = {SCHEMA}"))
            result = await connection.execute(text(query), values)
            return [tuple(row) for row in result] if result.returns_rows else []


def a_put(member_id: str, body: bytes, **headers: str) -> bytes:
    """The bytes of a PUT, by the member unless a header says otherwise."""
    sent = {"content_type": "application/json", "authorization": f"Bearer {a_token(member_id)}", **headers}
    return message("PUT", f"/users/{member_id}", body, **sent)


def container_of(database_url: str, kafka_servers: str = NO_KAFKA, *, publish_v1: bool = True) -> Container:
    """Everything that serving needs; nothing is contacted yet."""
    settings = MembersSettings(
        database=HouseDatabaseSettings(url=Secret(database_url)),
        members=ProcessSettings(database_schema=SCHEMA, publish_v1=publish_v1),
        kafka=KafkaSettings(bootstrap_servers=kafka_servers),
        jwt=TokenSettings(secret=Secret(SECRET)),
    )
    return Container(settings=settings)


@asynccontextmanager
async def member_api(container: Container, *, migrated: bool = True) -> AsyncIterator[MemberApi]:
    """Serve it on free ports, and stop it cleanly."""
    loop = asyncio.get_running_loop()
    port, ops_port = loop.create_future(), loop.create_future()
    stop = asyncio.Event()
    if migrated:
        await container.history().migrate(container.engine())
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=ops_port.set_result)
    app = create_app(container)
    serving = asyncio.create_task(
        serve(app, host="127.0.0.1", port=0, stop=stop, ready=port.set_result, ops=ops)
    )
    try:
        async with asyncio.timeout(patient(60)):
            yield MemberApi(container, await port, await ops_port)
    finally:
        settings = container.settings()
        if isinstance(settings, MembersSettings) and settings.kafka.bootstrap_servers == NO_KAFKA:
            # Nothing answers there: the bound that sends get at the end need not be waited for.
            await container.producer().stop(within_seconds=0.1)
        stop.set()
        await asyncio.wait_for(serving, patient(60))


@asynccontextmanager
async def members_process(
    directory: Path,
    database_url: str,
    kafka_servers: str,
    *,
    program: tuple[str, ...] = ("services.members",),
) -> AsyncIterator[tuple[ManagedProcess, int]]:
    """`python -m services.members` on a free port, ready; killed at the end if it is still there."""
    port, ops_port = choose_free(2)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    settings = {
        "MEMBERS_DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_servers,
        "JWT_SECRET": SECRET,
        "MEMBERS_PORT": str(port),
        "MEMBERS_OPS_PORT": str(ops_port),
        "MEMBERS_SHUTDOWN_DELAY_SECONDS": "0",
        "LOG_LEVEL": "warning",
    }
    process = spawn(
        f"members-{port}",
        [sys.executable, "-m", *program],
        log_path=directory / f"members-{port}.log",
        env={**kept, **settings},
        cwd=ROOT,
    )
    try:
        await eventually(lambda: _is_ready(ops_port), poll_seconds=0.1)
        yield process, port
    finally:
        if process.alive:
            await asyncio.to_thread(process.stop, patient(60))


async def _is_ready(port: int) -> bool:
    try:
        return (await exchange(port, message("GET", "/readyz"))).status == 200
    except OSError:
        return False


async def told(kafka_servers: str, topic: str, member_id: str, count: int) -> list[Any]:
    """The records of a member in a topic, once there are so many, in the order of its partition's log."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Any] = []
    try:
        consumer.assign([ClientPartition(topic, number) for number in range(MEMBER_TOPIC_PARTITIONS)])
        await consumer.seek_to_beginning()

        async def there() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend(record for record in records if record.key == member_id.encode())
            return len(found) >= count

        await eventually(there)
    finally:
        await consumer.stop()
    return found
