"""From the former build's ledger to the inbox and back, on what a real run of that build left behind."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.instance import ROOT
from kits.kafka.records import TopicPartition
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from tests.commands import Ended, run_command
from tests.waiting import eventually
from worker.inbox.ledger.migration import LedgerInUseError, LedgerMigration
from worker.inbox.table import inbox

EARLIER = ROOT / "tests/integration/earlier"
GROUP = "data-platform"
ORDERS: Mapping[str, Any] = json.loads((EARLIER / "earlier_worker.json").read_text())["orders"]
OPEN = "SELECT * FROM delivery.delivery WHERE status IN ('dead', 'held', 'retrying') ORDER BY event_id"
MOVED = Counter(dead=7, held=5, retrying=2, audited=3)
GIVE_UP = "UPDATE delivery.inbox_event SET given_up_at = now() WHERE order_id = $1 AND seq = $2"
LAST_SEQ = "UPDATE delivery.delivery_order SET last_seq = $2 WHERE order_id = $1"


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The former build's database, with this build's tables beside the old ones."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute((EARLIER / "earlier_worker.sql").read_text())
    engine = create_engine(empty_database_url, application_name="test")
    await History("worker", schema="delivery", made=(inbox,)).migrate(engine)
    await engine.dispose()
    yield connection
    await connection.close()


@pytest.fixture
async def engine(database: asyncpg.Connection, empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(empty_database_url, application_name="test")
    yield engine
    await engine.dispose()


@pytest.fixture
def migration(engine: AsyncEngine) -> LedgerMigration:
    return LedgerMigration(engine, group=GROUP, schema="delivery", within_seconds=0.5)


async def rows_of(database: asyncpg.Connection, role: str) -> list[tuple[Any, ...]]:
    """An order's rows in the inbox: number, former number, state, whether it begins the order."""
    rows = await database.fetch(
        "SELECT seq, was_seq, CASE WHEN delivered_at IS NOT NULL THEN 'done'"
        " WHEN given_up_at IS NOT NULL THEN 'given up' WHEN dead_at IS NOT NULL THEN 'dead'"
        " ELSE 'waiting' END, is_first"
        " FROM delivery.inbox_event WHERE order_id = $1 ORDER BY seq NULLS LAST",
        ORDERS[role],
    )
    return [tuple(row) for row in rows]


async def in_ledger(database: asyncpg.Connection, role: str) -> tuple[int, list[tuple[int, str]]]:
    """How far an order has come in the ledger, and its rows above the first number."""
    rows = await database.fetch(
        "SELECT seq, status FROM delivery.delivery WHERE order_id = $1 AND seq > 1 ORDER BY seq", ORDERS[role]
    )
    query = "SELECT last_seq FROM delivery.delivery_order WHERE order_id = $1"
    return await database.fetchval(query, ORDERS[role]), [tuple(row) for row in rows]


async def test_what_is_open_moves_with_all_that_is_known_of_it(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """Bytes, headers, place, attempts, reasons and times; a parked event is due when it was; none is left."""
    before = await database.fetch(OPEN)
    assert await migration.move() == MOVED
    assert await database.fetch(OPEN) == []
    after = await database.fetch("SELECT * FROM delivery.inbox_event ORDER BY event_id")
    assert [row["event_id"] for row in after] == [row["event_id"] for row in before]
    same = ("order_id", "event_type", "payload", "headers", "topic", "partition", "offset", "attempts",
            "first_failed_at", "last_failed_at")  # fmt: skip
    for was, row in zip(before, after, strict=True):
        assert [row[name] for name in same] == [was[name] for name in same]
        assert (row["record_key"], row["payload_size"]) == (was["key"], len(was["payload"]))
        assert (row["dead_at"] is None) == (was["status"] != "dead")
        assert (row["dlq_copied_at"] is None) == (was["status"] != "dead")
        error = None if was["status"] == "held" else was["error_class"]
        assert (row["error_class"], row["given_up_at"], row["token"]) == (error, None, None)
        if was["status"] == "retrying":
            assert row["due_at"] == was["next_attempt_at"]


async def test_each_order_goes_on_where_it_stood(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """The number after the last delivered one goes first; behind a missing or dead one the rest waits.

    A header that nothing confirms gives its number back to the event that has it.
    """
    await migration.move()
    assert {role: await rows_of(database, role) for role in ORDERS} == {
        "dead": [(1, None, "dead", True), (2, None, "waiting", False)],
        "failing": [(2, None, "waiting", True), (3, None, "waiting", False)],
        "gap": [(4, None, "waiting", False)],
        "base_dead": [(2, None, "dead", True)],
        "base_retry": [(2, None, "waiting", True)],
        "twin": [(2, None, "waiting", True), (None, 2, "dead", False)],
        "blind": [(2, None, "waiting", True), (None, None, "dead", False)],
        "storm": [(1, None, "dead", True)],
    } | {role: [] for role in ("base_ok", "full", "skipped", "discarded", "redriven")}


async def test_a_number_has_one_row_and_nothing_is_dropped(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """Two readable events under one number: the first has it, the other is kept with its bytes."""
    await database.execute(
        "INSERT INTO delivery.delivery (consumer_group, event_id, order_id, seq, event_type, status, topic,"
        ' partition, "offset", payload)'
        " SELECT consumer_group, 'another', order_id, seq, event_type, 'held', topic, partition, 99, 'two'"
        " FROM delivery.delivery WHERE order_id = $1 AND seq = 1",
        ORDERS["dead"],
    )
    await migration.move()
    kept = await database.fetchrow(
        "SELECT seq, was_seq, error_class, payload, given_up_at IS NOT NULL"
        " FROM delivery.inbox_event WHERE event_id = 'another'"
    )
    assert tuple(kept) == (None, 1, "number_conflict", b"two", True)
    assert (await rows_of(database, "dead"))[0] == (1, None, "dead", True)


async def test_what_was_delivered_stays_and_the_audit_keeps_its_order(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """`last_seq` is where an order begins that the inbox does not know."""
    orders = "SELECT * FROM delivery.delivery_order ORDER BY order_id"
    delivered = "SELECT * FROM delivery.delivery WHERE status = 'delivered' ORDER BY event_id"
    before = [await database.fetch(query) for query in (orders, delivered)]
    audit = await database.fetch("SELECT * FROM delivery.delivery_audit ORDER BY id")
    await migration.move()
    assert [await database.fetch(query) for query in (orders, delivered)] == before
    moved = await database.fetch("SELECT * FROM delivery.inbox_audit ORDER BY id")
    assert [tuple(row)[1:] for row in moved] == [tuple(row)[1:] for row in audit]


async def test_a_storm_that_stands_stands_until_it_is_released(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """Once: what was released in the inbox is not tripped again by a repeated move."""
    await migration.move()
    group = await database.fetchrow("SELECT tripped_at, trip FROM delivery.inbox_group")
    storm = await database.fetchrow("SELECT tripped_at, event_ids FROM delivery.delivery_storm")
    assert group["tripped_at"] == storm["tripped_at"]
    assert json.loads(group["trip"]) == {"tally": [], "event_ids": storm["event_ids"][:3]}
    await database.execute("UPDATE delivery.inbox_group SET tripped_at = NULL")
    await database.execute(
        "INSERT INTO delivery.inbox_audit (actor, action, consumer_group) VALUES ('me', 'release', $1)", GROUP
    )
    await migration.move()
    assert await database.fetchval("SELECT tripped_at FROM delivery.inbox_group") is None


async def test_moves_beside_each_other_and_again_move_everything_once(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    """In batches of two rows, with one of the moves cut short."""
    small = LedgerMigration(engine, group=GROUP, schema="delivery", batch=2)

    async def something_has_moved() -> bool:
        return bool(await database.fetchval("SELECT count(*) FROM delivery.inbox_event"))

    cut = asyncio.create_task(small.move())
    await eventually(something_has_moved, poll_seconds=0)
    cut.cancel()
    results = await asyncio.gather(cut, small.move(), small.move(), return_exceptions=True)
    assert [each for each in results if isinstance(each, Exception)] == []
    assert await database.fetchval("SELECT count(*) FROM delivery.inbox_event") == 14
    assert await small.move() == Counter()
    assert (await rows_of(database, "twin"))[0] == (2, None, "waiting", True)


async def test_what_a_former_worker_delivers_after_the_move_is_not_sent_again(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """It may live while `worker migrate` runs; the start of the new one moves what is left."""
    await migration.move()
    await database.execute(LAST_SEQ, ORDERS["failing"], 2)
    assert await migration.move() == Counter()
    assert [row[2] for row in await rows_of(database, "failing")] == ["done", "waiting"]


async def test_an_order_that_a_command_of_the_former_build_holds_is_waited_for(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """All others move; the sentence says what to do, and a repeated move takes the rest."""
    lease = (
        "UPDATE delivery.delivery_order SET lease_until = clock_timestamp() + make_interval(secs => $2)"
        " WHERE order_id = $1"
    )
    await database.execute(lease, ORDERS["dead"], 3600)
    with pytest.raises(LedgerInUseError, match="2 events belong to orders that `dlq` commands"):
        await migration.move()
    assert await rows_of(database, "dead") == []
    assert len(await rows_of(database, "failing")) == 2
    await database.execute(lease, ORDERS["dead"], -1)
    assert await migration.move() == Counter(dead=1, held=1, audited=3)


async def test_the_way_back_gives_the_former_build_what_it_had(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """Nothing was done in between: the same rows are open in the same states, the same orders blocked.

    Only an order whose beginning is gone, and which begins with a dead letter, has its place named now.
    """
    orders = (
        "SELECT order_id, last_seq, blocked, is_baseline FROM delivery.delivery_order"
        " WHERE order_id <> $1 ORDER BY order_id"
    )
    orders_before = await database.fetch(orders, ORDERS["base_dead"])
    audits = "SELECT at, actor, action, order_id FROM delivery.delivery_audit ORDER BY id"
    audit = await database.fetch(audits)
    before = await database.fetch(OPEN)
    await migration.move()
    assert await migration.back() == MOVED
    after = await database.fetch(OPEN)
    names = ("event_id", "order_id", "status", "attempts", "key", "payload", "headers", "next_attempt_at",
             "topic", "partition", "offset", "first_failed_at", "last_failed_at")  # fmt: skip
    for was, row in zip(before, after, strict=True):
        assert [row[name] for name in names] == [was[name] for name in names]
        assert row["error_code"] == (None if was["status"] == "held" else was["error_code"])
    assert await database.fetch(orders, ORDERS["base_dead"]) == orders_before
    assert await database.fetch(audits) == audit
    assert await database.fetchval("SELECT released_at IS NULL FROM delivery.delivery_storm")
    left = (
        "SELECT event_id FROM delivery.inbox_event UNION ALL SELECT consumer_group FROM delivery.inbox_group"
    )
    assert await database.fetch(left) == []


async def test_the_way_back_tells_the_former_build_what_the_inbox_has_done(
    database: asyncpg.Connection, migration: LedgerMigration
) -> None:
    """Up to `last_seq` all is done or given up; what waits is held, what was given up above it is dead."""
    await migration.move()
    await database.execute(
        "UPDATE delivery.inbox_event SET delivered_at = now() WHERE order_id = $1 AND seq = 2",
        ORDERS["failing"],
    )
    await database.execute(GIVE_UP, ORDERS["dead"], 1)
    await database.execute(GIVE_UP, ORDERS["gap"], 4)
    await _receive(database, "full", 4, is_done=True)
    await _receive(database, "full", 5, is_done=False)
    await database.execute(
        "INSERT INTO delivery.inbox_partition (consumer_group, topic, partition, next_offset, first_offset)"
        " VALUES ($1, 'order-events', 2, 21, 4), ($1, 'order-events', 7, 3, 2)",
        GROUP,
    )
    positions = {TopicPartition("order-events", 2): 21, TopicPartition("order-events", 7): 3}
    assert await migration.positions() == positions
    await database.execute("UPDATE delivery.inbox_group SET tripped_at = NULL")
    await migration.back()

    assert {role: await in_ledger(database, role) for role in ("failing", "dead", "gap", "full")} == {
        "failing": (2, [(2, "delivered"), (3, "held")]),
        "dead": (1, [(2, "held")]),
        "gap": (1, [(4, "dead")]),
        "full": (4, [(2, "delivered"), (3, "delivered"), (4, "delivered"), (5, "held")]),
    }
    first = "SELECT first_offset FROM delivery.delivery_partition WHERE partition = 7"
    assert await database.fetchval(first) == 2
    assert await database.fetchval("SELECT released_at IS NOT NULL FROM delivery.delivery_storm")


async def _receive(database: asyncpg.Connection, role: str, seq: int, *, is_done: bool) -> None:
    """A row as the inbox writes it for an event that came after the move."""
    await database.execute(
        "INSERT INTO delivery.inbox_event (consumer_group, event_id, order_id, seq, is_first, payload, topic,"
        ' partition, "offset", delivered_at)'
        " VALUES ($1, $2, $3, $4, $5, 'x', 'order-events', 2, 50, CASE WHEN $6 THEN now() END)",
        GROUP, f"new-{role}-{seq}", ORDERS[role], seq, seq == 4, is_done,
    )  # fmt: skip


async def test_the_former_build_starts_on_the_migrated_database(
    engine: AsyncEngine, migration: LedgerMigration
) -> None:
    """Its own check takes the version for that of a newer build, and lacks nothing."""
    await migration.move()
    await migration.back()
    async with engine.connect() as connection:
        assert await FormerHistory("worker", schema="delivery").lack(connection) == ""


class FormerHistory(History):
    """The worker's history as the last build with the ledger knew it."""

    def __init__(self, section: str, *, schema: str) -> None:
        super().__init__(section, schema=schema)
        self._known = frozenset({"202611210900", "202611221000", "202611252100"})

    def head(self) -> str:
        """Its newest revision."""
        return "202611252100"


async def test_both_ways_are_commands_and_kafka_hears_where_the_former_build_begins(
    database: asyncpg.Connection, empty_database_url: str, kafka_servers: str, topic: str
) -> None:
    """The way back is refused while a member of the group lives: it would read on from another place."""

    async def migrate(*words: str) -> Ended:
        return await run_command(
            "worker",
            "migrate",
            *words,
            DATABASE_URL=empty_database_url,
            KAFKA_BOOTSTRAP_SERVERS=kafka_servers,
        )

    done = await migrate()
    told = "Taken over from the ledger: events: 7 dead, 5 held, 2 retrying; 3 entries of the audit."
    assert (done.code, done.out.splitlines()[-1]) == (0, told)
    await database.execute(
        "INSERT INTO delivery.inbox_partition (consumer_group, topic, partition, next_offset, first_offset)"
        " VALUES ($1, $2, 1, 21, 4)",
        GROUP,
        topic,
    )
    member = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_servers, group_id=GROUP, client_id="order-worker"
    )
    await member.start()
    refused = await migrate("--back")
    await member.stop()
    assert refused.code == 1
    assert "1 living members: stop all workers" in refused.err
    assert await database.fetch(OPEN) == []
    back = await migrate("--back")
    assert back.code == 0, back.err
    assert len(await database.fetch(OPEN)) == 14
    outsider = AIOKafkaConsumer(bootstrap_servers=kafka_servers, group_id=GROUP, enable_auto_commit=False)
    await outsider.start()
    assert await outsider.committed(ClientPartition(topic, 1)) == 21
    await outsider.stop()
