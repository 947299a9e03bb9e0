"""A shop that serves while its database fails over, restarts, changes, or lacks something."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from dependency_injector import providers
from sqlalchemy import text

from app.application.demo_catalogue import demo_coupons, demo_products
from app.command_container import DatabaseContainer
from app.container import Container
from app.main import create_app, create_ops_app
from app.outbox.table import outbox_event
from app.persistence.write_probe import shop_write_probe
from app.settings import AppSettings, DatabaseCommandSettings
from devservices.stack import Stack
from kits.kafka.security import KafkaSettings
from kits.postgres.engine import DatabaseSettings, create_engine
from kits.postgres.migrations import History
from kits.settings import Secret
from kits.web.server.serving import Ops, serve
from kits.web.tokens.settings import TokenSettings
from tests.conftest import RUN_ID, execute
from tests.fakes import FakeProducer
from tests.integration.api.raw import Reply, exchange, message
from tests.unit.api.in_memory_shop import SECRET, a_token
from tests.waiting import eventually, patient

DATABASE = f"faults_{RUN_ID}"
ROLE = f"shop_{RUN_ID}"
READ_WAIT_SECONDS = 0.2
SLOW_READS = 150
LOCK = 42


class KafkaOfTheTest(FakeProducer):
    """Acknowledges everything."""

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self, *, within_seconds: float) -> None:
        """Nothing to wait for."""

    async def warm(self, topics: object) -> None:
        """Nothing to learn."""

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class Shop:
    """A running shop whose role is not its tables' owner, and the owner's way to the database."""

    port: int
    ops_port: int
    owner_url: str
    container: Container
    stack: Stack

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """One request of customer c-1."""
        named = {"authorization": f"Bearer {a_token()}", **headers}
        return await exchange(self.port, message(method, path, body, **named))

    async def probe(self) -> Reply:
        """GET /readyz, where operators look."""
        return await exchange(self.ops_port, message("GET", "/readyz"))

    async def order(self, key: str = "") -> Reply:
        """POST /orders."""
        body = b'{"items":[{"productId":"p-1","quantity":1}],"couponCode":"WELCOME10"}'
        named = {"idempotency_key": key} if key else {}
        return await self.send("POST", "/orders", body, content_type="application/json", **named)

    async def pay(self, address: str, placed: Reply) -> Reply:
        """A payment of this order's total, told by its provider."""
        told = {"reference": address, "amount": placed.json.get("total", 0), "currency": "KRW"}
        payer = f"Bearer {a_token('psp-1', scopes=['orders:pay'])}"
        body, json_type = json.dumps(told).encode(), "application/json"
        return await self.send(
            "POST", f"{address}/payment", body, content_type=json_type, authorization=payer
        )

    async def life(self) -> list[int]:
        """The statuses of an order, its payment, another's cancellation, and of three reads."""
        placed, other = await asyncio.gather(self.order(), self.order())
        paid, cancelled = (reply.headers.get("location", "/orders/none") for reply in (placed, other))
        replies = [
            placed,
            other,
            await self.pay(paid, placed),
            await self.send("POST", f"{cancelled}/cancellation"),
            await self.send("GET", paid),
            await self.send("GET", "/orders"),
            await self.send("GET", "/products/p-1"),
        ]
        return [reply.status for reply in replies]

    async def execute(self, statement: str) -> None:
        """As the owner."""
        await execute(self.owner_url, statement)

    async def end_connections(self) -> None:
        """As a fail-over does."""
        await self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    async def readiness(self, status: int) -> str:
        """What the database check says, once `/readyz` has this status."""

        async def found() -> Any:
            reply = await self.probe()
            return reply.json if reply.status == status else None

        report = await eventually(found)
        return str(report["checks"]["database"].get("detail", ""))

    async def is_well(self) -> bool:
        """Whether everything is answered as it should be."""
        return await self.life() == ALL_IS_WELL and await self.readiness(200) == ""


ALL_IS_WELL = [202, 202, 200, 200, 200, 200, 200]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(own_servers: Stack) -> AsyncIterator[Shop]:
    """One shop for this module, on the session's own server: a test restarts it."""
    own_servers.postgres.start()
    server = own_servers.postgres.url("postgres")
    await execute(server, f"CREATE DATABASE {DATABASE}")
    await execute(server, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'shop'")
    owner_url = own_servers.postgres.url(DATABASE)
    place = urlsplit(owner_url).netloc.rpartition("@")[2]
    engine = create_engine(owner_url, application_name="owner")
    await History("app").migrate(engine)
    await engine.dispose()
    await execute(owner_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}")
    commands = DatabaseContainer(
        settings=DatabaseCommandSettings(database=DatabaseSettings(url=Secret(owner_url)))
    )
    await commands.catalogue().add(demo_products(2, 10_000), demo_coupons())
    await commands.engine().dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kits.postgres.readiness._VALID_SECONDS", 0.0)
        async with running(f"postgresql://{ROLE}:shop@{place}/{DATABASE}") as (ports, container):
            yield Shop(*ports, owner_url, container, own_servers)
    await execute(server, f"DROP DATABASE {DATABASE} WITH (FORCE)")
    await execute(server, f"DROP ROLE {ROLE}")


@asynccontextmanager
async def running(url: str) -> AsyncIterator[tuple[tuple[int, int], Container]]:
    settings = AppSettings(
        database=DatabaseSettings(url=Secret(url)),
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        jwt=TokenSettings(secret=SECRET),
    )
    container = Container(settings=settings)
    container.producer.override(providers.Object(KafkaOfTheTest()))
    reads: Any = container.engines.reads
    reads.add_kwargs(wait_seconds=READ_WAIT_SECONDS)
    loop = asyncio.get_running_loop()
    listening, operating = loop.create_future(), loop.create_future()
    stop = asyncio.Event()
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=operating.set_result)
    serving = asyncio.create_task(
        serve(create_app(container), host="127.0.0.1", port=0, stop=stop, ready=listening.set_result, ops=ops)
    )
    yield (
        (await asyncio.wait_for(listening, patient(60)), await asyncio.wait_for(operating, patient(60))),
        container,
    )
    stop.set()
    await asyncio.wait_for(serving, patient(60))


@pytest_asyncio.fixture(loop_scope="module")
async def shop(served: Shop) -> Shop:
    """The running shop, with connections in all of its pools."""
    await eventually(served.is_well)
    return served


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_read_only_database_is_an_outage_and_orders_go_on_at_once_after_it(shop: Shop) -> None:
    """Reads go on meanwhile; the connections of that time are not used again."""
    server = shop.stack.postgres.url("postgres")
    await execute(server, f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    await shop.end_connections()
    try:
        for refused in await asyncio.gather(shop.order(), shop.order("a-key")):
            assert (refused.status, refused.problem()["code"]) == (503, "storage_unavailable")
            assert "read-only" in refused.problem()["detail"]
        assert "read-only" in await shop.readiness(503)
        assert (await shop.send("GET", "/products")).status == 200
    finally:
        await execute(server, f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only")
    assert await shop.life() == ALL_IS_WELL
    assert await shop.readiness(200) == ""


@pytest.mark.parametrize("fault", ["terminated", "restarted", "deallocated"])
async def test_pooled_connections_that_are_of_no_use_fail_nobody(shop: Shop, fault: str) -> None:
    """Not even the first: whoever meets one of them gets a new one."""
    match fault:
        case "terminated":
            await shop.end_connections()
        case "restarted":
            shop.stack.postgres.kill()
            await asyncio.to_thread(shop.stack.postgres.start)
        case "deallocated":
            engines = shop.container.engines
            for engine in (engines.orders(), engines.changes(), engines.reads()):
                async with engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await driver.execute("DEALLOCATE ALL")
    assert await shop.life() == ALL_IS_WELL
    assert await shop.readiness(200) == ""


async def test_a_column_that_changes_while_the_shop_serves_fails_nobody(shop: Shop) -> None:
    """Statements that were prepared for the former type are prepared anew."""
    for kind in ("bigint", "integer"):
        await shop.execute(f"ALTER TABLE products ALTER COLUMN stock TYPE {kind}")
        await shop.execute(f"ALTER TABLE orders ALTER COLUMN version TYPE {kind}")
        assert await shop.life() == ALL_IS_WELL


@pytest.mark.parametrize(
    ("right", "table", "refused"),
    [
        ("INSERT", "orders", "POST"),
        ("UPDATE", "products", "POST"),
        ("INSERT", "outbox_event", "POST"),
        ("SELECT", "products", "GET"),
        ("SELECT", "order_pipeline_app_version", ""),
    ],
)
async def test_a_right_that_is_missing_is_told_and_is_no_bug(
    shop: Shop, right: str, table: str, refused: str
) -> None:
    """By readiness too, whichever it is."""
    await shop.execute(f"REVOKE {right} ON {table} FROM {ROLE}")
    try:
        assert table in await shop.readiness(503)
        if refused:
            reply = await (shop.order() if refused == "POST" else shop.send("GET", "/products"))
            assert (reply.status, reply.problem()["code"]) == (503, "storage_unavailable")
            assert table in reply.problem()["detail"]
    finally:
        await shop.execute(f"GRANT {right} ON {table} TO {ROLE}")
    assert await shop.life() == ALL_IS_WELL


async def test_without_its_tables_the_shop_says_what_to_run(shop: Shop) -> None:
    """As before the first `migrate`, and after a restore of the wrong database."""
    await shop.execute("ALTER SCHEMA public RENAME TO elsewhere")
    try:
        for reply in (
            await shop.order(),
            await shop.send("GET", "/products"),
            await shop.send("GET", "/orders"),
        ):
            assert (reply.status, reply.problem()["code"]) == (503, "storage_unavailable")
            assert "python -m app migrate" in reply.problem()["detail"]
        assert "python -m app migrate" in await shop.readiness(503)
    finally:
        await shop.execute("ALTER SCHEMA elsewhere RENAME TO public")
    assert await shop.life() == ALL_IS_WELL


async def test_slow_reads_take_no_connection_that_an_order_or_readiness_needs(shop: Shop) -> None:
    """Reads that find none free are told to come again; nothing was begun for them."""
    await shop.execute(
        "CREATE FUNCTION wait_for_the_test() RETURNS boolean LANGUAGE sql AS"
        f" 'SELECT pg_advisory_xact_lock_shared({LOCK}) IS NOT NULL';"
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY slow ON orders FOR SELECT USING (wait_for_the_test());"
        "CREATE POLICY quick ON orders FOR INSERT WITH CHECK (true)"
    )
    holder = await asyncpg.connect(shop.owner_url)
    try:
        await holder.execute(f"SELECT pg_advisory_lock({LOCK})")
        reads = [asyncio.create_task(shop.send("GET", "/orders")) for _ in range(SLOW_READS)]
        await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        assert [(await shop.order()).status for _ in range(5)] == [202] * 5
        assert (await shop.probe()).json["checks"]["database"]["status"] == "ok"
        await holder.execute(f"SELECT pg_advisory_unlock({LOCK})")
        replies = await asyncio.gather(*reads)
    finally:
        await holder.close()
        await shop.execute(
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY;"
            "DROP POLICY slow ON orders; DROP POLICY quick ON orders; DROP FUNCTION wait_for_the_test"
        )
    assert {reply.status for reply in replies} == {200, 503}
    assert {reply.problem()["code"] for reply in replies if reply.status == 503} == {"overloaded"}


async def test_readiness_writes_to_the_disk_and_leaves_nothing(shop: Shop) -> None:
    """On a full disk a row more may fit into a page that is there; a file that is new does not."""
    heard: list[str] = []
    owner = create_engine(shop.owner_url, application_name="owner", pool_size=1)
    async with owner.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("SET log_temp_files = 0; SET client_min_messages = log")
        driver.add_log_listener(lambda _connection, said: heard.append(str(said)))
        assert await shop_write_probe(outbox_event).run(connection) == ""
        await connection.rollback()
        left = await connection.execute(text("SELECT count(*) FROM idempotency_keys WHERE customer_id = ''"))
        assert left.scalar() == 0
    await owner.dispose()
    assert any("temporary file" in said for said in heard), heard
