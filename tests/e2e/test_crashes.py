"""Processes die at the worst moments; afterwards the checker compares everything."""

import asyncio

import aiohttp
import pytest

from tests.e2e.pipeline import Pipeline
from tests.waiting import patient

API_CRASHES = {
    "between commit and publish": ("before", "app.outbox.kafka_sink:KafkaSink.send"),
    "between send and acknowledgement": ("after", "app.outbox.kafka_sink:KafkaSink.send"),
    "between acknowledgement and write-back": ("before", "kits.ordered_queue.sql_store:SqlStore.mark_done"),
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


WORKER_CRASHES = {
    "between the position and the offset commit": ("before", "kits.kafka.group_reader:GroupReader.commit"),
    "between the platform's answer and the write-back": (
        "after",
        "worker.groups.data_platform.client:DataPlatformClient.send_batch",
    ),
    "after the write-back": ("after", "worker.inbox.store:InboxStore.mark_done"),
}


@pytest.mark.parametrize("point", WORKER_CRASHES)
async def test_a_worker_killed_at_the_worst_moment_repeats_at_most_and_loses_nothing(
    pipeline: Pipeline, point: str
) -> None:
    """What the inbox knows is not sent again; what only the platform knows comes again under its key."""
    await pipeline.seed()
    await pipeline.start_platform()
    await pipeline.start_api()
    pipeline.start_worker(crash=WORKER_CRASHES[point])
    await pipeline.orders(20)
    await pipeline.ended("worker")
    pipeline.start_worker()
    await pipeline.orders(5)
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()
