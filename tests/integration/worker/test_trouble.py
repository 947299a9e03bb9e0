"""The platform, the ledger or the offsets in trouble, on real servers: nothing is lost or dies of it."""

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
    rows = await pipeline.rows("SELECT DISTINCT status, attempts FROM delivery.delivery")
    assert [tuple(row) for row in rows] == [("delivered", 0)]


async def test_the_lag_counts_what_is_not_settled(pipeline: Pipeline) -> None:
    """Also what was read and waits for the platform; it is gone when the ledger has it."""
    await pipeline.platform.faults(outage=True)
    await pipeline.write(an_order("o-1", 5))
    async with pipeline.worker() as container:

        def told(lag: int) -> bool:
            return f"worker_lag_records {lag}.0" in container.metrics().render().decode()

        await eventually(lambda: told(5))
        await pipeline.platform.faults()
        await eventually(lambda: told(0))
        assert await pipeline.platform.seqs("o-1") == [1, 2, 3, 4, 5]


async def test_a_platform_that_is_down_is_waited_for(pipeline: Pipeline) -> None:
    """Refused connections; the worker stays ready but degraded, and goes on when the platform is back."""
    await pipeline.platform.stop()
    await pipeline.write(event for number in range(8) for event in an_order(f"order-{number}", 3))
    async with pipeline.worker() as container:
        health = container.health()

        async def is_degraded() -> bool:
            checks = (await health.report()).checks
            return (
                checks["data_platform"].status is Status.DEGRADED and checks["consumer"].status is Status.OK
            )

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


async def test_a_lost_offset_is_an_alert_and_never_a_rewind(pipeline: Pipeline) -> None:
    """The ledger knows the partitions, the group has no offsets: nothing is read, the worker is unready."""
    await pipeline.write(an_order("order-1", 2))
    group = pipeline.group
    async with pipeline.worker():
        await arrived(pipeline, 2)
        await eventually(pipeline.committed_everything)
    pipeline.group = f"{group}-forgotten"
    await pipeline.execute("UPDATE delivery.delivery_partition SET consumer_group = $1", pipeline.group)
    await pipeline.write(an_order("order-2", 2))
    async with pipeline.worker() as container:

        async def is_told() -> bool:
            found = (await container.health().report()).checks["consumer"]
            return found.status is Status.UNREADY and "offsets_missing" in found.detail

        await eventually(is_told)
    assert (await pipeline.platform.received())["count"] == 2


async def test_while_the_ledger_is_away_events_wait_and_none_is_lost(pipeline: Pipeline) -> None:
    """Its database takes no connections for a while; the worker is unready, then everything goes on."""
    async with pipeline.worker() as container:
        await pipeline.write(an_order("order-1", 1))
        await arrived(pipeline, 1)
        await eventually(pipeline.committed_everything)
        async with pipeline.closed_database():
            await pipeline.write(event for number in range(2, 6) for event in an_order(f"order-{number}", 3))

            async def is_unready() -> bool:
                return (await container.health().report()).checks["ledger"].status is Status.UNREADY

            await eventually(is_unready)
        await arrived(pipeline, 13)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["orders"], summary["orderViolations"]) == (5, 0)
