"""Processes die at the worst moments; afterwards the checker compares everything."""

import asyncio
import signal

import aiohttp
import pytest

from tests.e2e.pipeline import Pipeline
from tests.waiting import patient

API_CRASHES = {
    "between commit and publish": ("before", "kits.outbox.kafka_sink:KafkaSink.send"),
    "between send and acknowledgement": ("after", "kits.outbox.kafka_sink:KafkaSink.send"),
    "between acknowledgement and write-back": ("before", "kits.ordered_queue.sql_store:SqlStore.settle"),
}


@pytest.mark.parametrize("point", API_CRASHES)
async def test_an_api_killed_at_the_worst_moment_loses_no_order(pipeline: Pipeline, point: str) -> None:
    """The order is committed, its answer may be lost; the next process brings its event after the lease."""
    await pipeline.seed()
    await pipeline.start_platform()
    await pipeline.start_api(crash=API_CRASHES[point])
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(pipeline.order(number, session) for number in range(8)))
    await pipeline.ended("api")
    await pipeline.start_api()
    pipeline.start_worker()
    await pipeline.orders(5)
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()


async def test_orders_go_on_while_kafka_is_dead_and_the_worker_is_killed(pipeline: Pipeline) -> None:
    """202 for all, nothing lost, in order, each effect once by key."""
    await pipeline.start_all()
    await pipeline.orders(10)
    pipeline.kafka.kill()
    placed = await pipeline.orders(100, pause_seconds=0.05)
    assert None not in placed
    pipeline.kill("worker")
    pipeline.start_worker()
    pipeline.kafka.start(patient(60))
    await pipeline.orders(90)
    await pipeline.everything_arrived()
    assert len(pipeline.accepted) == 200
    await pipeline.promises_are_kept()


async def test_a_platform_outage_is_waited_out(pipeline: Pipeline) -> None:
    """503, refused calls and silence cost no order and no dead letter."""
    await pipeline.start_all()
    await pipeline.faults(outage=True)
    await pipeline.orders(30)
    await pipeline.faults(timeout=True, forSeconds=1)
    await pipeline.orders(10)
    await pipeline.faults()
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()


READING = {
    "polled": ("after", "kits.kafka.group_reader:GroupReader.poll"),
    "inserted": ("after", "worker.inbox.arrivals:Arrivals.store"),
    "committed-before-kafka": ("after", "worker.inbox.receive:InboxReceiver.handle"),
}
DELIVERING = {
    "call-in-flight": ("during", "worker.groups.data_platform.client:DataPlatformClient.send_batch"),
    "answered": ("before", "worker.inbox.store:InboxStore.settle"),
    "written": ("after", "worker.inbox.store:InboxStore.settle"),
}
LEASE_AND_MORE_SECONDS = 13.0


async def test_a_worker_killed_at_the_worst_moments_repeats_at_most_and_loses_nothing(
    pipeline: Pipeline,
) -> None:
    """One after the other at each point: what is known is not sent again, the rest comes again by its id."""
    # With a slot of its own the next worker need not wait until the group has given the dead one up.
    pipeline.more["worker"] = {"WORKER_INSTANCE_ID": "slot-1"}
    await pipeline.seed()
    await pipeline.start_platform()
    await pipeline.start_api()
    await pipeline.faults(latencyMs=300)
    for point in (READING | DELIVERING).values():
        pipeline.start_worker(crash=point)
        await pipeline.orders(4)
        await pipeline.ended("worker")
    await pipeline.faults()
    pipeline.start_worker()
    await pipeline.orders(5)
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()


@pytest.mark.parametrize("points", [READING, DELIVERING], ids=["reading", "delivering"])
async def test_workers_that_freeze_for_longer_than_their_leases_break_no_order(
    pipeline: Pipeline, points: dict[str, tuple[str, str]]
) -> None:
    """Three stop at a point each; another delivers; when they come back, nothing that they hold counts."""
    await pipeline.seed()
    await pipeline.start_platform()
    await pipeline.start_api()
    await pipeline.faults(latencyMs=300)
    frozen = {name: pipeline.start_frozen(name, point) for name, point in points.items()}
    # One without a partition gets its own when the group has given up one that has stopped.
    while not all(pipeline.is_stopped(name) for name in frozen):
        await pipeline.orders(3, pause_seconds=0.2)
    await pipeline.faults()
    pipeline.start_worker()
    stopped_at = asyncio.get_running_loop().time()
    await pipeline.everything_arrived()
    await asyncio.sleep(max(0.0, stopped_at + LEASE_AND_MORE_SECONDS - asyncio.get_running_loop().time()))
    for each in frozen.values():
        each.send_signal(signal.SIGCONT)
    await pipeline.orders(20, pause_seconds=0.1)
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()
