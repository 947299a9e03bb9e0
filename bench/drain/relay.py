"""The relay's drain: a backlog in the outbox, as an outage of Kafka leaves it, and one API process."""

import asyncio
import itertools
import random
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec

from bench.drain.events import backlog
from bench.shop import start_shop
from contracts.envelope import EventMessage
from devservices.errors import ServerStartError
from devservices.instance import ROOT
from devservices.ports import choose_free

_COLUMNS = ("event_id", "aggregate_type", "aggregate_id", "seq", "event_type", "event_version",
            "topic", "key", "payload", "headers", "occurred_at")  # fmt: skip
_CHUNK = 10_000
_LOOK_SECONDS = 0.25
_WITHIN_SECONDS = 120.0
_UNPUBLISHED = "SELECT count(*) FROM outbox_event WHERE published_at IS NULL AND abandoned_at IS NULL"
_SECONDS = "SELECT extract(epoch FROM max(published_at) - min(published_at))::float8 FROM outbox_event"


async def relay_per_second(
    *, environment: Mapping[str, str], database_url: str, orders: int, seed: int, directory: Path
) -> float:
    """Events per second, from the first row that is marked as published to the last.

    Raises:
        ServerStartError: the backlog was not empty in time.
    """
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        rows = await _fill(connection, orders, seed)
        port, ops_port = choose_free(2)
        shop = await start_shop(
            "relay",
            checkout=ROOT,
            ports=(port, ops_port),
            log_path=directory / "relay.log",
            environment=environment,
        )
        try:
            return rows / await _emptied(connection)
        finally:
            await asyncio.to_thread(shop.stop)
    finally:
        await connection.close(timeout=10)


async def _fill(connection: asyncpg.Connection, orders: int, seed: int) -> int:
    await connection.execute("TRUNCATE outbox_event")
    rows = 0
    messages = backlog(orders, random.Random(seed))  # noqa: S311 - load, no secret
    while chunk := [_row_of(message) for message in itertools.islice(messages, _CHUNK)]:
        await connection.copy_records_to_table("outbox_event", records=chunk, columns=_COLUMNS)
        rows += len(chunk)
    return rows


async def _emptied(connection: asyncpg.Connection) -> float:
    give_up_at = time.monotonic() + _WITHIN_SECONDS
    while left := await connection.fetchval(_UNPUBLISHED):
        if time.monotonic() > give_up_at:
            raise ServerStartError(f"{left} rows are still unpublished after {_WITHIN_SECONDS:.0f} s.")
        await asyncio.sleep(_LOOK_SECONDS)
    return float(await connection.fetchval(_SECONDS))


def _row_of(message: EventMessage) -> tuple[object, ...]:
    return (
        message.event_id,
        message.aggregate_type,
        message.aggregate_id,
        message.seq,
        message.event_type,
        message.event_version,
        message.topic,
        message.key,
        message.payload,
        msgspec.json.encode({"traceparent": message.traceparent}).decode(),
        message.occurred_at,
    )
