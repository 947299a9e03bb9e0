"""The plans of a queue's statements, made while its table is empty: each asks an index for what it needs."""

import re
import uuid
from collections.abc import Sequence

from sqlalchemy import text

from kits.ordered_queue import statements
from kits.ordered_queue.columns import QueueTable
from kits.postgres.driver import driver_connection
from kits.postgres.engine import create_engine
from kits.postgres.schema import as_arrays
from tests.contract.queue_tables import CREATE

_VALUES = {
    "token": str(uuid.uuid4()), "lease_seconds": 10.0, "ids": [],
    "claimed": True, "longest_run": 64, "run_bytes": 1000, "limit": 1000, "max_bytes": 1000, "look": 2000,
    "state": "done", "after_due": "-infinity", "after_id": "", "days": 30, "key_days": 180, "counted": 10_001,
}  # fmt: skip

_ALL = [
    (name, gaps)
    for name in (
        "ENQUEUE", "CLAIM", "RENEW", "SETTLE", "DELETE", "BACKLOG", "GAPS", "PUT_BACK",
        "GIVE_UP", "NOTICES", "LOCKED",
    )
    for gaps in (True, False)
]  # fmt: skip
_SCAN = re.compile(r"(Index (Only )?Scan using|Seq Scan on).*parcels")
# By id, by key and number, behind a cursor; and the few dead rows, by their own small index.
_ASKED = re.compile(r"Index Cond: .*(\(id [=>]|\(key =|ROW\(due_at)|parcels_shop_due_at_id_idx|parcels_dead")


async def test_no_statement_reads_more_than_it_asks_for(empty_database_url: str) -> None:
    """Whatever the table grows to, the server may keep these plans."""
    engine = create_engine(empty_database_url, application_name="test-queue")
    async with engine.begin() as connection:
        for statement in CREATE.format(id_type='text COLLATE "C"').split(";"):
            await connection.execute(text(statement))
        dead = "dead_at IS NOT NULL AND done_at IS NULL AND given_up_at IS NULL"
        await connection.execute(text(f"CREATE INDEX parcels_dead ON parcels (shop, dead_at) WHERE {dead}"))
    async with driver_connection(engine) as driver:
        await driver._connection.execute("SET plan_cache_mode = force_generic_plan")
        for name, gaps in _ALL:
            table = QueueTable("parcels", "q.born_at", scope="q.shop = 'mine'", gaps=gaps, id_type="text")
            no_rows = as_arrays([*table.new_columns, *table.end_columns], ())
            asked = table.statement(getattr(statements, name))
            rows = await driver._connection.fetch(
                f"EXPLAIN {asked.text}", *asked.arguments(_VALUES | no_rows)
            )
            plan = [row[0] for row in rows]
            reads = _reads(plan)
            assert reads
            assert "Bitmap" not in "".join(plan), f"{name} collects and sorts what it asks for"
            for read in reads:
                assert _ASKED.search(read), f"{name} gaps={gaps}: {read}\n" + "\n".join(plan)
    await engine.dispose()


def _reads(plan: Sequence[str]) -> list[str]:
    return [
        line.strip() + " " + " ".join(plan[at + 1 : at + 4]).strip()
        for at, line in enumerate(plan)
        if _SCAN.search(line)
    ]
