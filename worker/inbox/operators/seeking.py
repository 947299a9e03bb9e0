"""Inbox, operators: moves where a group goes on reading; a running worker finds it moved, and follows."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import driver_fetch, driver_transaction
from worker.inbox.operators.audit import Note, write_notes
from worker.inbox.sql import statement

_WHERE = """
SELECT p.partition, p.next_offset, p.first_offset FROM $inbox_partition p
 WHERE p.consumer_group = :consumer_group AND p.topic = :topic ORDER BY p.partition
"""
_SEEK = """
UPDATE $inbox_partition p SET next_offset = CAST(:to_offset AS bigint), moved_at = clock_timestamp()
 WHERE p.consumer_group = :consumer_group AND p.topic = :topic AND p.partition = :partition
   AND p.next_offset = CAST(:from_offset AS bigint) RETURNING 1
"""


class Reading(msgspec.Struct, frozen=True, rename="camel"):
    """Where a group goes on in a partition, and where its log began when the group first saw it."""

    partition: int
    next_offset: int
    first_offset: int


async def readings(engine: AsyncEngine, group: str, topic: str) -> Sequence[Reading]:
    """Of every partition that the group has seen."""
    rows = await driver_fetch(engine, statement(engine, _WHERE), {"consumer_group": group, "topic": topic})
    return [Reading(*row) for row in rows]


async def seek(engine: AsyncEngine, topic: str, reading: Reading, offset: int, note: Note) -> bool:
    """Go on at `offset`; False, and nothing is changed, if the group does not stand where it did.

    Workers notice at their next poll. Forwards, what is passed over is delivered by nobody.
    """
    asked = {"consumer_group": note.consumer_group, "topic": topic, "partition": reading.partition}
    async with driver_transaction(engine) as connection:
        moved = await connection.fetch(
            statement(engine, _SEEK), {**asked, "from_offset": reading.next_offset, "to_offset": offset}
        )
        if moved:
            detail = f"{topic}, partition {reading.partition}: {reading.next_offset} -> {offset}"
            await write_notes(connection, note, [(None, None, detail)])
    return bool(moved)
