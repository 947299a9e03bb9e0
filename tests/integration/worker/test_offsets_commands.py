"""`python -m worker offsets …` on a real group: guarded, audited, and nothing is passed over by itself."""

import json
from typing import Any

from tests.integration.worker.harness import Pipeline, arrived
from tests.integration.worker.processes import commanded
from tests.unit.worker.events import an_order
from tests.waiting import eventually


async def lose_offsets(pipeline: Pipeline) -> None:
    """As Kafka does it to an idle group; here the group gets a new name, of which only the ledger knows."""
    pipeline.group += "-anew"
    for table in ("delivery", "delivery_order", "delivery_partition"):
        await pipeline.execute(f"UPDATE delivery.{table} SET consumer_group = $1", pipeline.group)  # noqa: S608


async def test_lost_offsets_come_back_from_the_ledger_and_nothing_is_sent_twice(pipeline: Pipeline) -> None:
    """While a member lives nothing is moved; afterwards the group goes on where the ledger ends."""
    await pipeline.write(event for number in range(6) for event in an_order(f"o-{number}", 3))
    async with pipeline.worker():
        await arrived(pipeline, 18)
        await eventually(pipeline.committed_everything)
        seek = ("offsets", "seek", "--partition", "0", "--offset", "0", "--reason", "ticket 7")
        code, _, err = await commanded(pipeline, *seek, "--yes")
        assert (code, "living members" in err) == (1, True)
    code, out, _ = await commanded(pipeline, "offsets", "show", "--json")
    rows: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [row["lag"] for row in rows] == [0, 0, 0]
    assert [row["ledgerFirst"] for row in rows] == [0, 0, 0]
    assert sum(row["committed"] for row in rows) == 18
    await lose_offsets(pipeline)
    code, out, _ = await commanded(pipeline, "offsets", "resume", "--from-ledger", "--by", "kim")
    assert (code, "The group goes on at" in out) == (0, True)
    assert await pipeline.committed_everything()
    await pipeline.write(an_order("o-new", 2))
    async with pipeline.worker():
        await arrived(pipeline, 20)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (20, 0, 0)
    (noted,) = await pipeline.rows("SELECT actor, action, detail FROM delivery.delivery_audit")
    assert (noted["actor"], noted["action"]) == ("kim", "offsets_resume")
    assert f"partition 0: none -> {rows[0]['logEnd']}" in noted["detail"]


async def test_a_seek_tells_what_it_would_do_and_needs_yes(pipeline: Pipeline) -> None:
    """Backwards events are read again, and suppressed; an offset that is not in the log is refused."""
    await pipeline.write(an_order("o-1", 4))
    async with pipeline.worker():
        await arrived(pipeline, 4)
        await eventually(pipeline.committed_everything)
    ((at,),) = await pipeline.rows("SELECT DISTINCT partition FROM delivery.delivery")
    seek = ("offsets", "seek", "--partition", str(at), "--reason", "ticket 7", "--offset")
    code, out, err = await commanded(pipeline, *seek, "1")
    assert (code, out, "--yes" in err) == (2, "3 records would be read again.\n", True)
    code, _, err = await commanded(pipeline, *seek, "5", "--yes")
    assert (code, "no such offset" in err) == (2, True)
    code, out, _ = await commanded(pipeline, *seek, "1", "--yes")
    assert (code, out) == (0, f"The group goes on at partition {at}: 4 -> 1.\n")
    async with pipeline.worker():
        await eventually(pipeline.committed_everything)
    assert (await pipeline.platform.received())["count"] == 4
    (noted,) = await pipeline.rows("SELECT action, reason, detail FROM delivery.delivery_audit")
    assert tuple(noted) == ("offsets_seek", "ticket 7", f"partition {at}: 4 -> 1")
