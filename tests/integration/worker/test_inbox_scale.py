"""What the inbox's looks read stays bounded, whatever lies around in the table."""

import re
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from kits.ordered_queue.item import Claim
from kits.ordered_queue.lane import MAX_RUN, MAX_RUN_BYTES
from kits.ordered_queue.statements import CLAIM, LOOK
from kits.postgres.driver import driver_connection
from tests.integration.worker.receiving import DONE, GROUP, Inbox, Log, Worker, inbox_in
from tests.unit.worker.events import Sample
from worker.inbox.queue_table import inbox_queue

_ASKED = re.compile(r"Index Cond: \(+(event_id =|order_id =)")
_DELIVERED = """
INSERT INTO delivery.inbox_event (
       consumer_group, event_id, order_id, seq, is_first, payload, topic, partition, "offset", due_at)
SELECT 'data-platform', 'old-' || n, 'old-' || n, 1, TRUE, 'x', 'events', 1, n, now() - interval '1 minute'
  FROM generate_series(1, 20000) n
"""


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


async def pages_of_a_look(inbox: Inbox, worker: Worker) -> int:
    """How many pages the worker's next look touches."""
    after_due, after_id = worker.store._after
    values = {
        "token": str(uuid.uuid4()), "lease_seconds": 10.0, "limit": 1000, "max_bytes": 10**8, "look": LOOK,
        "longest_run": MAX_RUN, "run_bytes": MAX_RUN_BYTES, "claimed": True, "after_due": after_due,
        "after_id": after_id,
    }  # fmt: skip
    statement = inbox_queue(GROUP, inbox.engine).statement(CLAIM)
    async with driver_connection(inbox.engine) as connection:
        driver = connection._connection
        transaction = driver.transaction()
        await transaction.start()
        (row,) = await driver.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}", *statement.arguments(values)
        )
        await transaction.rollback()
    (plan,) = row[0]
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def waiting(inbox: Inbox, *samples: Sample) -> Worker:
    """A worker whose inbox has these, claimed by nobody."""
    log, worker = Log(1), inbox.worker()
    worker.claims.accepting = False
    log.append(*samples)
    await worker.begin(log)
    while await inbox.position() < len(samples):
        await worker.read(log)
    return worker


async def test_a_look_does_not_read_old_versions_that_a_snapshot_keeps(inbox: Inbox) -> None:
    """Nothing can be cleaned away behind a report that runs for hours, and nobody waits for it."""
    holder = await asyncpg.connect(inbox.url)
    try:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.fetch("SELECT count(*) FROM delivery.inbox_event")
        await inbox.ask(_DELIVERED)
        await inbox.change("delivered_at = now()")
        worker = await waiting(inbox, *(Sample(f"o-{number}") for number in range(10)))
        assert len(await worker.look()) == 10
        assert await pages_of_a_look(inbox, worker) < 300, "and not 20,000 rows"
    finally:
        await holder.close()


async def test_dead_letters_among_many_orders_slow_nobody(inbox: Inbox) -> None:
    """Each twentieth order stands; every other event goes within a few looks, each of so many rows."""
    samples = [Sample(f"o-{number:04}", seq) for seq in (1, 2, 3) for number in range(1000)]
    worker = await waiting(inbox, *samples)
    await inbox.change(
        "dead_at = now(), error_class = 'rejected'", "seq = 1 AND right(order_id, 2) LIKE '_0' AND"
        " substr(order_id, 5, 1) IN ('0', '2', '4', '6', '8')"
    )  # fmt: skip
    ((dead,),) = await inbox.ask("SELECT count(*) FROM delivery.inbox_event WHERE dead_at IS NOT NULL")
    looks, claims = 0, list[Claim]()
    while len(claims) < 3 * (1000 - dead):
        found = await worker.look(1000)
        await worker.answer(*found, result=DONE) if found else None
        claims += found
        looks += 1
        assert looks < 20
    assert dead == 50
    for number in range(1000):
        key = f"o-{number:04}"
        assert [claim.item.number for claim in claims if claim.item.key == key] in ([1, 2, 3], [])
    assert await worker.look() == []


async def test_one_large_order_leaves_room_for_the_others(inbox: Inbox) -> None:
    """However much of it waits, a look takes a bounded part, and reads no other payload."""
    padding = "x" * 200_000
    large = [Sample("large", seq) for seq in range(1, 31)]
    worker = await waiting(
        inbox,
        *(
            Sample("large", each.seq, each.event_id, value=each.payload[:-1] + f',"p":"{padding}"}}'.encode())
            for each in large
            if each.payload
        ),
        *(Sample(f"o-{number}") for number in range(20)),
    )
    claims = list((await worker.store.claim(limit=1000, max_bytes=4_000_000)).claims)
    assert [claim.item.number for claim in claims if claim.item.key == "large"] == [1, 2, 3, 4, 5]
    assert len({claim.item.key for claim in claims}) == 21


async def test_what_arrives_is_looked_up_by_its_id_and_number(inbox: Inbox) -> None:
    """Also on plans that were made while the table was empty, which a server may keep."""
    arrivals = inbox.worker().receiver._arrivals
    asked = (arrivals._yield, arrivals._heal, arrivals._keep, arrivals._without_lower)
    values = {"of_group": GROUP, "rows": "[]", "numbered": True}
    async with driver_connection(inbox.engine) as connection:
        driver = connection._connection
        await driver.execute("SET plan_cache_mode = force_generic_plan")
        for statement in asked:
            rows = await driver.fetch(f"EXPLAIN {statement.text}", *statement.arguments(values))
            plan = [row[0] for row in rows]
            scans = [at for at, line in enumerate(plan) if "on inbox_event" in line and "Scan" in line]
            assert scans
            for at in scans:
                assert _ASKED.search(plan[at + 1]), "\n".join(plan)
