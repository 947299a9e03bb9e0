"""`python -m worker dlq …` as an operator meets it: processes on real servers, killed and repeated."""

import asyncio
import json
import signal
from typing import Any

from contracts.order_events import ORDER_EVENT_SKIPPED, skip_notice_id
from tests.integration.worker.harness import Pipeline
from tests.integration.worker.processes import begun, commanded
from tests.unit.worker.events import Sample, an_order
from tests.waiting import eventually

LISTED_FIELDS = {
    "orderId", "eventId", "seq", "eventType", "status", "errorClass", "code", "message", "attempts",
    "firstFailedAt", "lastFailedAt",
}  # fmt: skip


async def at_rest(pipeline: Pipeline) -> None:
    """Everything in the topic is delivered, dead or held."""
    await eventually(pipeline.committed_everything)


async def with_dead_letters(pipeline: Pipeline, orders: int = 1, events: int = 4) -> list[list[Sample]]:
    """Orders whose second event was refused; the platform takes everything from now on."""
    samples = [an_order(f"o-{number}", events) for number in range(orders)]
    await pipeline.platform.faults(reject={"eventIds": [order[1].event_id for order in samples]})
    await pipeline.write(event for order in samples for event in order)
    async with pipeline.worker():
        await at_rest(pipeline)
    await pipeline.platform.faults()
    return samples


async def audit(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    """What was noted."""
    query = "SELECT action, order_id, event_id, reason, detail FROM delivery.delivery_audit ORDER BY id"
    return [tuple(row) for row in await pipeline.rows(query)]


async def test_list_show_and_redrive_from_the_first_look_to_the_last(pipeline: Pipeline) -> None:
    """What a program reads is on stdout alone; more than one order needs --yes; nothing is left."""
    samples = await with_dead_letters(pipeline, orders=2)
    code, out, _ = await commanded(pipeline, "dlq", "list", "--json", "--error-class", "rejected")
    listed = json.loads(out)
    assert code == 0
    assert {each["eventId"] for each in listed} == {order[1].event_id for order in samples}
    assert all(set(each) == LISTED_FIELDS for each in listed)
    assert (listed[0]["status"], listed[0]["seq"], listed[0]["attempts"]) == ("dead", 2, 1)
    code, out, _ = await commanded(pipeline, "dlq", "show", "--event", samples[0][1].event_id)
    assert json.loads(out)["contents"][samples[0][1].event_id]["value"] == json.loads(
        samples[0][1].payload or b""
    )
    code, out, err = await commanded(pipeline, "dlq", "redrive")
    assert code == 2
    assert "--yes" in err
    assert "o-0: sends 2 (dead), 3 to 4 (held)" in out
    assert (await pipeline.platform.received())["count"] == 2
    code, out, err = await commanded(pipeline, "dlq", "redrive", "--yes", "--json", "--by", "kim")
    assert (code, [each["left"] for each in json.loads(out)]) == (0, ["", ""])
    assert "2 of 2 orders, 6 events delivered" in err
    for number in range(2):
        assert await pipeline.platform.seqs(f"o-{number}") == [1, 2, 3, 4]
        assert set((await pipeline.statuses(f"o-{number}")).values()) == {"delivered"}
    assert [(action, order) for action, order, *_ in await audit(pipeline)] == [
        ("redrive", "o-0"), ("redrive", "o-1"),
    ]  # fmt: skip


async def test_killed_in_the_middle_and_twice_at_the_same_time(pipeline: Pipeline) -> None:
    """SIGKILL, then two at once: the order is kept, nothing is lost, at most one event is repeated."""
    await with_dead_letters(pipeline, orders=1, events=30)
    await pipeline.platform.faults(latencyMs=30)
    killed = await begun(pipeline, "dlq", "redrive")

    async def some_went() -> bool:
        return len(await pipeline.platform.seqs("o-0")) >= 5

    await eventually(some_went)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    await pipeline.platform.faults()
    # It has a lease of 20 s, which the next one would wait for: the end of it is brought nearer.
    await pipeline.execute(
        "UPDATE delivery.delivery_order SET lease_until = clock_timestamp() + interval '2 s'"
    )
    ends = await asyncio.gather(*(commanded(pipeline, "dlq", "redrive") for _ in range(2)))
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert await pipeline.platform.seqs("o-0") == list(range(1, 31))
    summary = await pipeline.platform.received()
    assert summary["orderViolations"] == 0
    assert summary["duplicates"] <= 1


async def test_beside_a_running_worker_while_new_events_of_its_orders_arrive(pipeline: Pipeline) -> None:
    """Ctrl-C ends it with 1 and gives its order back; the worker goes on with what is left, in order."""
    await with_dead_letters(pipeline, orders=1, events=20)
    await pipeline.platform.faults(latencyMs=300)
    async with pipeline.worker():
        redrive = await begun(pipeline, "dlq", "redrive")

        async def went(count: int) -> bool:
            return len(await pipeline.platform.seqs("o-0")) >= count

        await eventually(lambda: went(4))
        await pipeline.write(an_order("o-0", 30, first_seq=21))
        await eventually(lambda: went(8))
        redrive.send_signal(signal.SIGINT)
        await pipeline.platform.faults()
        out, _ = await redrive.communicate()
        assert (redrive.returncode, "interrupted" in out.decode()) == (1, True)
        await eventually(lambda: went(30))
        await at_rest(pipeline)
    assert await pipeline.platform.seqs("o-0") == list(range(1, 31))
    assert (await pipeline.platform.received())["orderViolations"] == 0
    (order,) = await pipeline.rows("SELECT * FROM delivery.delivery_order")
    assert (order["last_seq"], order["blocked"], order["lease_token"]) == (30, None, None)


async def test_while_the_platform_is_out_nothing_is_spent(pipeline: Pipeline) -> None:
    """It stops at once with exit code 1 and a sentence; all rows are as they were."""
    await with_dead_letters(pipeline, orders=3)
    before = await pipeline.rows("SELECT * FROM delivery.delivery ORDER BY event_id")
    await pipeline.platform.faults(outage={"status": 503})
    code, out, _ = await commanded(pipeline, "dlq", "redrive", "--yes")
    assert code == 1
    assert out.count("takes nothing now (http_503") == 3
    assert await pipeline.rows("SELECT * FROM delivery.delivery ORDER BY event_id") == before
    assert (await pipeline.platform.received())["refused"]["outage"] == 1


async def test_skip_of_a_dead_event_and_of_a_gap_and_discard(pipeline: Pipeline) -> None:
    """The platform hears of each number before the order goes on; every decision is noted with its reason."""
    skipped, discarded = (await with_dead_letters(pipeline, orders=2))[0], 1
    await pipeline.write(an_order("o-gap", 1))
    await pipeline.write(an_order("o-gap", 5, first_seq=4))
    async with pipeline.worker(WORKER_GAP_WAIT_SECONDS="0.2"):
        await at_rest(pipeline)
        for action, order in (("skip", "o-0"), ("discard", "o-1"), ("skip", "o-gap")):
            code, out, _ = await commanded(pipeline, "dlq", action, "--order", order, "--reason", "ticket 7")
            assert code == 0, out
        await pipeline.write([Sample("o-1", 5), Sample("o-gap", 6)])
        await at_rest(pipeline)
    assert await pipeline.statuses("o-0") == {1: "delivered", 2: "skipped", 3: "delivered", 4: "delivered"}
    assert list((await pipeline.statuses("o-1")).values()) == ["delivered", *["discarded"] * 3, "delivered"]
    assert set((await pipeline.statuses("o-gap")).values()) == {"delivered"}
    for order, last_seq in (("o-0", 4), ("o-1", 5), ("o-gap", 6)):
        assert await pipeline.platform.seqs(order) == list(range(1, last_seq + 1))
    assert (await pipeline.platform.received())["orderViolations"] == 0
    arrivals = (await pipeline.platform.received(orderId="o-0"))["arrivals"]
    (notice,) = [each["event"] for each in arrivals if each["event"]["eventType"] == ORDER_EVENT_SKIPPED]
    assert notice["eventId"] == skip_notice_id(pipeline.group, "o-0", 2)
    assert (notice["skippedEventId"], notice["reason"]) == (skipped[1].event_id, "ticket 7")
    assert await audit(pipeline) == [
        ("skip", "o-0", skipped[1].event_id, "ticket 7", "number 2"),
        ("discard", f"o-{discarded}", None, "ticket 7", "numbers 2 to 4"),
        ("skip", "o-gap", None, "ticket 7", "numbers 2 to 3"),
    ]
