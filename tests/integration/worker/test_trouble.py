"""The platform, the database or the offsets in trouble, on real servers: nothing is lost or dies of it."""

from typing import Any

import pytest

from kits.observability.health import Status
from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import an_order
from tests.waiting import eventually

OUTAGES: dict[str, dict[str, Any]] = {
    "503": {"outage": True},
    "429 with Retry-After": {"outage": {"status": 429, "retryAfter": 1}},
    "500": {"status": 500},
    "401": {"status": 401},
    "taken, then the connection breaks": {"applyThenFail": "close"},
    "taken, then 500": {"applyThenFail": True},
    "flapping": {"flap": {"upMs": 50, "downMs": 100}, "latencyMs": 30},
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_costs_no_attempt_and_everything_arrives_in_order(
    pipeline: Pipeline, outage: str
) -> None:
    """Whatever the trouble looks like: events wait, and go in their order when it is over."""
    orders = [an_order(f"order-{number}", 3) for number in range(8)]
    await pipeline.platform.faults(**OUTAGES[outage])
    await pipeline.write(event for seq in range(3) for event in (order[seq] for order in orders))

    async def is_met() -> bool:
        summary = await pipeline.platform.received()
        # A platform that flaps may take everything before it has refused so much.
        met = sum(summary["refused"].values()) + summary["duplicates"] >= 3
        return met or bool(summary["count"] == 24)

    async with pipeline.worker(DATA_PLATFORM_BATCH_SIZE="1" if outage[0].isdigit() else "3"):
        await eventually(is_met)
        await pipeline.platform.faults()
        await arrived(pipeline, 24)
        await eventually(pipeline.committed_everything)
    assert all([await pipeline.platform.seqs(f"order-{number}") == [1, 2, 3] for number in range(8)])
    await pipeline.all_delivered(24)
    assert await pipeline.rows("SELECT DISTINCT attempts, dead_at FROM delivery.inbox_event") == [(0, None)]


async def test_an_outage_of_the_platform_shows_in_the_queue_and_not_in_the_lag(pipeline: Pipeline) -> None:
    """What is in the inbox is read; what is not is lag, also while nothing is read any more."""
    await pipeline.platform.faults(outage=True)
    await pipeline.write(an_order("o-1", 5))
    async with pipeline.worker() as container:

        def told(*lines: str) -> bool:
            rendered = container.metrics().render().decode().splitlines()
            return set(lines) <= set(rendered)

        place = f'{{group="{pipeline.group}",partition="%d",topic="{pipeline.topic}"}}'
        lag = f"kafka_consumer_lag_records{place} 0.0"
        waiting = f'queue_waiting{{queue="{pipeline.group}"}}'
        await eventually(lambda: told(*(lag % number for number in range(3)), f"{waiting} 5.0"))
        await pipeline.platform.faults()
        await eventually(lambda: told(f"{waiting} 0.0"))
        assert await pipeline.platform.seqs("o-1") == [1, 2, 3, 4, 5]


async def test_a_platform_that_is_down_is_waited_for(pipeline: Pipeline) -> None:
    """Refused connections; the worker stays ready but degraded, and goes on when the platform is back."""
    await pipeline.platform.stop()
    await pipeline.write(event for number in range(8) for event in an_order(f"order-{number}", 3))
    async with pipeline.worker() as container:
        health = container.health()
        consumer = f"consumer_{pipeline.group.replace('-', '_')}"

        async def is_degraded() -> bool:
            checks = (await health.report()).checks
            return checks["data_platform"].status is Status.DEGRADED and checks[consumer].status is Status.OK

        await eventually(is_degraded)
        await pipeline.platform.start()
        await arrived(pipeline, 24)
        await eventually(pipeline.committed_everything)

        async def is_well() -> bool:
            return (await health.report()).status is Status.OK

        await eventually(is_well)
    assert (await pipeline.platform.received())["orderViolations"] == 0


@pytest.mark.parametrize("fault", [{"batchUnsupported": True}, {"batchRetryEveryNth": 3}])
async def test_what_a_batch_does_not_judge_goes_by_single_calls(
    pipeline: Pipeline, fault: dict[str, Any]
) -> None:
    """No batch path at all, or some events that the platform wants again."""
    await pipeline.platform.faults(**fault)
    await pipeline.write(
        event for seq in range(1, 4) for n in range(10) for event in an_order(f"o-{n}", seq, seq)
    )
    async with pipeline.worker():
        await arrived(pipeline, 30)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["orderViolations"]) == (30, 0)


async def test_a_group_without_offsets_goes_on_where_its_inbox_stands(pipeline: Pipeline) -> None:
    """Kafka has forgotten them, as it does of an idle group; nothing is lost, nothing is sent twice."""
    await pipeline.write(an_order("order-1", 2))
    group = pipeline.group
    async with pipeline.worker():
        await arrived(pipeline, 2)
        await pipeline.all_delivered(2)
    pipeline.group = f"{group}-forgotten"
    for table in ("inbox_event", "inbox_partition"):
        await pipeline.execute(f"UPDATE delivery.{table} SET consumer_group = $1", pipeline.group)  # noqa: S608
    await pipeline.write(an_order("order-2", 2))
    async with pipeline.worker():
        await arrived(pipeline, 4)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["orderViolations"]) == (4, 0)


async def test_while_the_database_is_away_events_wait_and_none_is_lost(pipeline: Pipeline) -> None:
    """Its database takes no connections for a while; the worker is unready, then everything goes on."""
    async with pipeline.worker() as container:
        await pipeline.write(an_order("order-1", 1))
        await arrived(pipeline, 1)
        await eventually(pipeline.committed_everything)
        async with pipeline.closed_database():
            await pipeline.write(event for number in range(2, 6) for event in an_order(f"order-{number}", 3))

            async def is_unready() -> bool:
                return (await container.health().report()).checks["database"].status is Status.UNREADY

            await eventually(is_unready)
        await arrived(pipeline, 13)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["orders"], summary["orderViolations"]) == (5, 0)
