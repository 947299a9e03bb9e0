"""From the topic to the data platform, on real servers: order, repeats, restarts, two workers."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import Sample, an_order
from tests.waiting import eventually


def shuffled_between_orders(orders: list[list[Sample]], rng: random.Random) -> list[Sample]:
    """All events of all orders, mixed, each order's own events in their order."""
    waiting = [list(order) for order in orders]
    mixed: list[Sample] = []
    while waiting:
        order = rng.choice(waiting)
        mixed.append(order.pop(0))
        if not order:
            waiting.remove(order)
    return mixed


async def test_events_of_several_orders_arrive_each_order_in_its_order(pipeline: Pipeline) -> None:
    """Seq 1-5 of 40 orders, mixed, arrive once each and in order; the offsets and the inbox follow."""
    orders = [an_order(f"order-{number}") for number in range(40)]
    await pipeline.write(shuffled_between_orders(orders, random.Random(1)))  # noqa: S311
    async with pipeline.worker():
        await arrived(pipeline, 200)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (200, 0, 0)
    await pipeline.all_delivered(200)
    assert not await pipeline.rows("SELECT 1 FROM delivery.inbox_event WHERE payload IS NOT NULL")


async def test_repeats_in_the_topic_are_suppressed(pipeline: Pipeline) -> None:
    """The relay may repeat an event after a crash: the platform does not see that."""
    order = an_order("order-1")
    await pipeline.write([*order, *order, order[1], *an_order("order-2", 1)])
    async with pipeline.worker():
        await arrived(pipeline, 6)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"]) == (6, 0)


async def test_a_restart_repeats_nothing_that_the_inbox_knows(pipeline: Pipeline) -> None:
    """Even when the offsets were never committed: the position is the inbox's own."""
    await pipeline.write(event for number in range(10) for event in an_order(f"order-{number}", 3))
    async with pipeline.worker():
        await arrived(pipeline, 30)
        await eventually(pipeline.committed_everything)
    await pipeline.rewind_to_start()
    await pipeline.write(
        event for number in range(10) for event in an_order(f"order-{number}", 5, first_seq=4)
    )
    async with pipeline.worker():
        await arrived(pipeline, 50)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (50, 0, 0)


async def test_two_workers_and_a_rebalance_under_load_keep_every_order(pipeline: Pipeline) -> None:
    """A second worker joins and leaves while events flow; nothing is repeated and nothing overtakes."""
    orders = [an_order(f"order-{number}") for number in range(150)]
    events = shuffled_between_orders(orders, random.Random(2))  # noqa: S311
    await pipeline.platform.faults(latencyMs=5)
    async with pipeline.worker(DATA_PLATFORM_BATCH_SIZE="10"):
        await pipeline.write(events[:300])
        async with pipeline.worker(DATA_PLATFORM_BATCH_SIZE="1"):
            for begin in range(300, 700, 100):
                await pipeline.write(events[begin : begin + 100])
                await asyncio.sleep(0.3)
        await pipeline.write(events[700:])
        await arrived(pipeline, 750)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (750, 0, 0)


async def test_the_journey_of_an_order_can_be_read_from_the_log(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """event_delivered, with the fields that join it to the other stages."""
    lines: list[dict[str, Any]] = []

    class Lines:
        def is_enabled_for(self, _level: int) -> bool:
            return True

        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda event, **fields: lines.append({"level": level, "event": event, **fields})

    monkeypatch.setattr("worker.groups.data_platform.sink.log", Lines())
    sample = Sample("order-1", 1)
    await pipeline.write([sample])
    async with pipeline.worker():
        await arrived(pipeline, 1)
    (delivered,) = [line for line in lines if line["event"] == "event_delivered"]
    assert delivered.items() >= {
        "level": "debug", "order_id": "order-1", "event_id": sample.event_id, "seq": 1, "offset": 0,
    }.items()  # fmt: skip
    assert 0 <= delivered["partition"] < 3


async def test_the_calls_carry_what_the_platform_is_promised(pipeline: Pipeline) -> None:
    """The event's own trace goes on, in single calls and in batches, and the body is what was on Kafka."""
    await pipeline.write([Sample("order-1", 1)])
    async with pipeline.worker(DATA_PLATFORM_BATCH_SIZE="1"):
        await arrived(pipeline, 1)
        await eventually(pipeline.committed_everything)
    await pipeline.write([Sample("order-2", 1)])
    async with pipeline.worker():
        await arrived(pipeline, 2)
    for arrival in (await pipeline.platform.received(after="0"))["arrivals"]:
        assert arrival["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert arrival["event"]["order"] == {"total": 27000}
