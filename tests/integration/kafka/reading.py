"""A member of a group for the tests: placed as an owner would, polled until something has come."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from kits.kafka.group_reader import GroupReader
from kits.kafka.records import IncomingRecord
from tests.integration.kafka.clients import PLAIN
from tests.waiting import eventually


@asynccontextmanager
async def reading(servers: str, topic: str, group: str, **options: Any) -> AsyncIterator[GroupReader]:
    """A started reader, stopped at the end."""
    given: dict[str, Any] = {"security": PLAIN, "client_id": "test-reader"} | options
    reader = GroupReader(bootstrap_servers=servers, group=group, topics=[topic], **given)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop(within_seconds=3.0)


async def place_all(reader: GroupReader) -> None:
    """Put what is unplaced where the group left off, else at the log's start."""
    if unplaced := reader.unplaced:
        for at, place in (await reader.places(unplaced)).items():
            reader.place(at, place.log_start if place.committed is None else place.committed)


async def assigned(reader: GroupReader, count: int = 3) -> None:
    """Poll until so many partitions wait to be placed."""

    async def there() -> bool:
        assert await reader.poll(timeout_ms=50, max_records=10) == {}, "nothing is read before it is placed"
        return len(reader.unplaced) == count

    await eventually(there)


async def read_until(
    condition: Callable[[list[IncomingRecord]], Any], *readers: GroupReader
) -> list[IncomingRecord]:
    """Place and poll all of them, as their owners do, until the condition holds of what has come."""
    found: list[IncomingRecord] = []

    async def reached() -> bool:
        for reader in readers:
            await place_all(reader)
            for records in (await reader.poll(timeout_ms=50, max_records=100)).values():
                found.extend(records)
        return bool(condition(found))

    await eventually(reached)
    return found
