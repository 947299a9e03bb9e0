"""A newer build has migrated the database; this build, the older one, goes on."""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path

import asyncpg

from tests.integration.api.raw import Reply, exchange, message
from tests.integration.api_process import ApiProcess, a_token, api_process, run_app

NEWER = "2999_01_01_0000"
# What an expand step may do to every table that this build reads and writes.
EXPAND = [
    f"ALTER TABLE {table} ADD COLUMN future_text text, ADD COLUMN future_number integer NOT NULL DEFAULT 7"
    for table in (
        "products",
        "coupons",
        "orders",
        "coupon_uses",
        "outbox_event",
        "idempotency_keys",
        "stock_audit",
    )
] + [
    "CREATE TABLE future_things (id uuid PRIMARY KEY, order_id uuid REFERENCES orders)",
    "ALTER TABLE orders ALTER COLUMN lines DROP NOT NULL",
]
ORDER = b'{"items":[{"productId":"p-1","quantity":1}],"couponCode":"WELCOME10"}'


async def order(api: ApiProcess) -> Reply:
    """Place one."""
    token = f"Bearer {a_token('c-1')}"
    return await exchange(
        api.port,
        message(
            "POST",
            "/orders",
            ORDER,
            content_type="application/json",
            authorization=token,
            idempotency_key=secrets.token_hex(8),
        ),
    )


async def expand(database_url: str) -> None:
    """Migrate as a newer build would: one transaction, bounded waits, again when it lost a lock."""
    for _ in range(5):
        with suppress(asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
            return await expand_once(database_url)
    raise AssertionError("the migration lost a lock five times")


async def expand_once(database_url: str) -> None:
    """One try; the revision is not known to this build."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '3s'")
            for statement in EXPAND:
                await connection.execute(statement)
            await connection.execute("UPDATE order_pipeline_app_version SET version_num = $1", NEWER)
    finally:
        await connection.close()


async def test_orders_go_on_while_and_after_a_newer_build_migrates(database_url: str, tmp_path: Path) -> None:
    """The running process keeps its connections and prepared statements; none of its orders fails."""
    await run_app(database_url, "seed")
    async with api_process(tmp_path, database_url) as running:
        done = asyncio.Event()

        async def customer() -> list[int]:
            statuses = []
            while not done.is_set():
                statuses.append((await order(running)).status)
            return statuses

        customers = [asyncio.create_task(customer()) for _ in range(3)]
        before = await asyncio.gather(*(order(running) for _ in range(5)))
        await expand(database_url)
        after = await asyncio.gather(*(order(running) for _ in range(5)))
        done.set()
        statuses = {status for one in await asyncio.gather(*customers) for status in one}
        assert statuses | {reply.status for reply in (*before, *after)} == {202}
        assert (await exchange(running.ops_port, message("GET", "/readyz"))).status == 200


async def test_an_older_build_starts_on_a_newer_schema_and_does_everything(
    database_url: str, tmp_path: Path
) -> None:
    """After a roll-back: it is ready, takes orders and shows them; its `migrate` leaves the schema alone."""
    await run_app(database_url, "seed")
    await expand(database_url)
    assert await run_app(database_url, "migrate") == f"{NEWER}\n"
    async with api_process(tmp_path, database_url) as older:
        accepted = await order(older)
        assert accepted.status == 202
        shown = await exchange(
            older.port,
            message("GET", accepted.headers["location"], authorization=f"Bearer {a_token('c-1')}"),
        )
        assert (shown.status, shown.json["items"][0]["productId"]) == (200, "p-1")
        assert (await exchange(older.port, message("GET", "/products?limit=5"))).status == 200
        assert "(+3)" in await run_app(database_url, "stock", "add", "p-1", "3", "--reason", "delivery")
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT version_num FROM order_pipeline_app_version") == NEWER
    assert await connection.fetchval("SELECT count(*) FROM outbox_event") == 1
    await connection.close()
