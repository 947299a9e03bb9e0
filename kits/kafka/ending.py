"""Kafka kit: the bounded end of a client, whatever it raises on its way."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from kits.kafka.internals import end_consumer
from kits.observability.logs import get_logger

log = get_logger(__name__)

_STEP_SECONDS = 1.0


async def uninterrupted(step: Coroutine[Any, Any, None]) -> None:
    """Run an ending to its end even if the caller is cancelled meanwhile, and cancel the caller only then.

    A client whose end was cut off goes on in the background; `step` has to be bounded by itself.
    """
    task = asyncio.create_task(step)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def bounded(step: Awaitable[None], *, within_seconds: float) -> bool:
    """Run a step of an ending, cancelled when the bound is met; True if it ended by itself.

    stop() of the client may end with CancelledError or any error: the end is what counts, so none comes out.
    """
    task = asyncio.ensure_future(step)
    done, _ = await asyncio.wait([task], timeout=within_seconds)
    in_time = bool(done)
    if not in_time:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=_STEP_SECONDS)
    for ended in done:
        if not ended.cancelled() and ended.exception() is not None:
            log.debug("kafka_client_ended", error=repr(ended.exception()))
    return in_time


async def end_admin(admin: AIOKafkaAdminClient) -> None:
    """Close its connections, within 2 s. Never raises for a fault of Kafka."""
    await uninterrupted(_end_admin(admin))


async def end_client(consumer: AIOKafkaConsumer, *, within_seconds: float) -> None:
    """Leave the group in good order if that works in time; then nothing of the consumer runs any more."""
    await uninterrupted(_end_client(consumer, within_seconds))


async def _end_client(consumer: AIOKafkaConsumer, within_seconds: float) -> None:
    await bounded(consumer.stop(), within_seconds=within_seconds)
    await bounded(end_consumer(consumer, within_seconds=_STEP_SECONDS), within_seconds=4 * _STEP_SECONDS)


async def _end_admin(admin: AIOKafkaAdminClient) -> None:
    await bounded(admin.close(), within_seconds=2 * _STEP_SECONDS)
