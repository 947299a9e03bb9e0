"""A rolling switch of the form that events travel in, under load: JSON, Avro, JSON again."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import ORDER_EVENTS
from tests.e2e.pipeline import Pipeline
from tests.registry_server import RegistryServer, registry_server
from tests.waiting import eventually

ORDERS = 15


@pytest.fixture
async def registry() -> AsyncIterator[RegistryServer]:
    """Beside the pipeline, to be broken."""
    async with registry_server() as running:
        yield running


async def values(pipeline: Pipeline) -> list[tuple[bytes, bytes]]:
    """Content-type and value of every event in the topic, in the order of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=pipeline.kafka.bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(ORDER_EVENTS, number) for number in range(3)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[bytes, bytes]] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(partition, timeout_ms=500)).values():
                    found += [(dict(each.headers)["content-type"], each.value) for each in records]
        return found
    finally:
        await consumer.stop()


def forms(found: list[tuple[bytes, bytes]]) -> dict[str, int]:
    """How many of each form; what the header says is what the first byte says."""
    avro = [value for kind, value in found if kind == b"application/avro"]
    plain = [value for kind, value in found if kind == b"application/json"]
    assert all(value[:1] == b"\x00" for value in avro)
    assert all(value[:1] == b"{" for value in plain)
    return {"avro": len(avro), "json": len(plain)}


async def restart_api(pipeline: Pipeline, event_format: str) -> None:
    """A new build of the settings, while orders go on being placed."""
    pipeline.more["api"] = {"EVENT_FORMAT": event_format}
    pipeline.processes["api"].send_signal(signal.SIGTERM)
    await pipeline.ended("api")
    await pipeline.start_api()


async def accepted(pipeline: Pipeline, more: int) -> None:
    """Wait until so many further orders were answered 202."""
    before = len(pipeline.accepted)
    await eventually(lambda: len(pipeline.accepted) >= before + more)


async def test_json_avro_json_under_load_and_the_platform_never_notices(
    pipeline: Pipeline, registry: RegistryServer
) -> None:
    """Orders are placed all the time; each arrives, in order, as the JSON that the outbox holds."""
    pipeline.settings = {"SCHEMA_REGISTRY_URL": registry.url}
    await pipeline.start_all()
    await pipeline.run("contracts", "schemas", "register")
    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            await pipeline.orders(1)

    loading = asyncio.create_task(load())
    for event_format in ("avro", "json", "avro"):
        await accepted(pipeline, ORDERS)
        await restart_api(pipeline, event_format)
    await accepted(pipeline, ORDERS)
    # Known ids need no registry, on either side; also not in a process that starts now.
    registry.says(503)
    await accepted(pipeline, ORDERS)
    pipeline.kill("worker")
    pipeline.start_worker()
    await accepted(pipeline, ORDERS)
    done.set()
    await loading
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()
    found = forms(await values(pipeline))
    assert min(found.values()) >= ORDERS
