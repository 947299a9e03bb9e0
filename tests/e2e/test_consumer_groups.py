"""Several groups read the same topic: each gets everything, and its processes share the work."""

import json
import signal
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer

from contracts.topics import ORDER_EVENTS
from devservices.ports import choose_free
from tests.e2e.pipeline import Pipeline
from tests.e2e.test_order_life import a_token, time_is_over
from tests.waiting import eventually

GROUP = "cg-order"


async def rows(pipeline: Pipeline, query: str) -> list[tuple[Any, ...]]:
    """What the shop's database says."""
    connection = await asyncpg.connect(pipeline.database_url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def read_model_is_right(pipeline: Pipeline, orders: int) -> bool:
    """One row per order, with the status and the version that the order has."""
    kept = await rows(pipeline, "SELECT order_id, status, version FROM order_status ORDER BY 1")
    real = await rows(pipeline, "SELECT id::text, status, version FROM orders ORDER BY 1")
    return len(real) == orders and kept == real


def held(pipeline: Pipeline, name: str) -> set[str]:
    """The partitions that a process has now, by its log."""
    lines = (pipeline.directory / f"{name}.log").read_text().splitlines()
    told = [
        json.loads(line) for line in lines if '"kafka_partitions_assigned"' in line and line.endswith("}")
    ]
    return set(told[-1]["partitions"]) if told else set()


def placed(pipeline: Pipeline, name: str) -> set[int]:
    """The partitions that a process was ever given, by its log."""
    lines = (pipeline.directory / f"{name}.log").read_text().splitlines()
    # The last one may be half written.
    told = (json.loads(line) for line in lines if '"partition_placed"' in line and line.endswith("}"))
    return {line["partition"] for line in told if line["event"] == "partition_placed"}


async def pay_too_late(pipeline: Pipeline) -> None:
    """The refused payment of an expired order has a number, and the status stays."""
    ((order_id, total),) = await rows(pipeline, "SELECT id::text, total FROM orders ORDER BY id LIMIT 1")
    payment = {"reference": "late", "amount": total, "currency": "KRW"}
    address = f"{pipeline.api_url}/orders/{order_id}/payment"
    payer = a_token(pipeline, "psp-1", "orders:pay")
    async with aiohttp.ClientSession() as session, session.post(address, json=payment, headers=payer) as got:
        assert got.status == 409, await got.text()
    assert await rows(pipeline, "SELECT max(version) FROM orders") == [(3,)]


async def test_two_processes_share_a_group_and_every_group_gets_every_record(pipeline: Pipeline) -> None:
    """Beside the delivery; when one of the two dies the other goes on with all of it."""
    await pipeline.start_all()
    for name, port in zip(("status-1", "status-2"), choose_free(2), strict=True):
        pipeline.more[name] = {"WORKER_PORT": str(port)}
        await pipeline.answers(f"http://127.0.0.1:{port}/readyz", pipeline.start(name, "worker", GROUP))
    await eventually(lambda: shared(held(pipeline, "status-1"), held(pipeline, "status-2")))
    await pipeline.orders(20)
    await eventually(lambda: read_model_is_right(pipeline, 20))
    pipeline.kill("status-1")
    await pipeline.orders(10)
    await time_is_over(pipeline)
    await eventually(lambda: all_expired(pipeline, 30))
    await eventually(lambda: read_model_is_right(pipeline, 30))
    await pay_too_late(pipeline)
    await eventually(lambda: read_model_is_right(pipeline, 30))
    assert len(placed(pipeline, "status-2")) == 3
    pipeline.processes["status-2"].send_signal(signal.SIGTERM)
    await pipeline.ended("status-2")

    events = await rows(pipeline, "SELECT event_id::text FROM outbox_event ORDER BY 1")
    assert len(events) == 61
    seen: set[tuple[str]] = set()
    analytics = AIOKafkaConsumer(
        ORDER_EVENTS, bootstrap_servers=pipeline.kafka.bootstrap_servers, group_id="cg-analytics",
        auto_offset_reset="earliest", isolation_level="read_committed",
    )  # fmt: skip
    await analytics.start()
    try:

        async def everything_is_seen() -> bool:
            for records in (await analytics.getmany(timeout_ms=200)).values():
                seen.update((dict(record.headers)["ce_id"].decode(),) for record in records)
            return sorted(seen) == events

        await eventually(everything_is_seen)
    finally:
        await analytics.stop()
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()


def shared(some: set[str], others: set[str]) -> bool:
    """Each has some of the three partitions, together all, and none is in both."""
    return bool(some) and bool(others) and len(some | others) == 3 and not some & others


async def all_expired(pipeline: Pipeline, orders: int) -> bool:
    """Every order has come to its second event."""
    return await rows(pipeline, "SELECT status, count(*) FROM orders GROUP BY 1") == [("EXPIRED", orders)]
