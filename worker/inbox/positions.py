"""Inbox: where each partition goes on. The table is the truth, Kafka's own offsets are for others."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.places import Place
from kits.kafka.records import TopicPartition
from kits.observability.logs import get_logger
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch, driver_transaction
from kits.postgres.schema import as_document, qualified
from worker.inbox.table import inbox_partition

log = get_logger(__name__)

_SEEK = "`python -m worker offsets show`, then `python -m worker offsets seek` with where to go on"

_KNOWN = """
SELECT p.topic, p.partition, p.topic_id, p.next_offset, p.first_offset
  FROM {schema}.inbox_partition p WHERE p.consumer_group = :of_group ORDER BY p.topic, p.partition
"""
_FORMER = """
SELECT f.topic, f.partition, f.first_offset
  FROM {schema}.delivery_partition f WHERE f.consumer_group = :of_group
"""
_OPEN = """
INSERT INTO {schema}.inbox_partition (
       consumer_group, topic, partition, topic_id, next_offset, first_offset)
SELECT :of_group, topic, partition, topic_id, next_offset, first_offset
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (
       topic text, partition integer, topic_id uuid, next_offset bigint, first_offset bigint)
 ORDER BY topic, partition
ON CONFLICT (consumer_group, topic, partition) DO UPDATE
   SET topic_id = excluded.topic_id, next_offset = excluded.next_offset,
       first_offset = excluded.first_offset, moved_at = clock_timestamp()
"""
_MOVE = """
UPDATE {schema}.inbox_partition p
   SET next_offset = CAST(:next_offset AS bigint), moved_at = clock_timestamp()
 WHERE p.consumer_group = :of_group AND p.topic = :topic AND p.partition = CAST(:partition AS integer)
   AND p.next_offset = CAST(:from_offset AS bigint) AND p.topic_id = CAST(:topic_id AS uuid)
RETURNING TRUE
"""


class Position(msgspec.Struct, frozen=True):
    """Where a group goes on in a partition of one topic; `first_offset`: where its log began for the group.

    `topic_id` is None where an older build has left it open.
    """

    topic_id: UUID | None
    next_offset: int
    first_offset: int


class Move(msgspec.Struct, frozen=True):
    """What was read of a partition: from the offset where the group stood, to that where it goes on."""

    topic: str
    partition: int
    topic_id: UUID
    from_offset: int
    next_offset: int


class Opened(msgspec.Struct, frozen=True):
    """Where a partition begins; `standing` says why nothing of it may be read, and what mends that."""

    position: Position
    standing: str = ""
    warning: str = ""


class Positions:
    """The positions of one group. Every method raises what the database raises."""

    def __init__(self, engine: AsyncEngine, group: str) -> None:
        self._engine = engine
        self._group = {"of_group": group}
        schema = qualified(inbox_partition, engine).rpartition(".")[0]
        self._known, self._former, self._open, self._move = (
            DriverStatement(text(template.format(schema=schema)))
            for template in (_KNOWN, _FORMER, _OPEN, _MOVE)
        )

    async def known(self) -> dict[TopicPartition, Position]:
        """All positions of the group."""
        return _by_partition(await driver_fetch(self._engine, self._known, self._group))

    async def open(self, places: Mapping[TopicPartition, Place]) -> dict[TopicPartition, Opened]:
        """Where these partitions begin, written down where that is not what the table says."""
        async with driver_transaction(self._engine) as connection:
            known = _by_partition(await connection.fetch(self._known, self._group))
            former = {
                TopicPartition(topic, number): first
                for topic, number, first in await connection.fetch(self._former, self._group)
            }
            opened = {at: opening(place, known.get(at), former.get(at)) for at, place in places.items()}
            changed = {at: one for at, one in opened.items() if one.position != known.get(at)}
            rows = [
                {"topic": at.topic, "partition": at.partition, **msgspec.structs.asdict(one.position)}
                for at, one in changed.items()
            ]
            if rows:
                await connection.fetch(self._open, {**self._group, **as_document(rows)})
        return opened

    async def move(self, connection: DriverConnection, move: Move) -> bool:
        """Move a position in the caller's transaction; False if it stood elsewhere."""
        return bool(await connection.fetch(self._move, {**self._group, **msgspec.structs.asdict(move)}))


def opening(place: Place, known: Position | None, former_first: int | None) -> Opened:
    """Where to begin: where the table says, in the same topic; else where nothing is lost.

    Args:
        known: what the table says.
        former_first: where the log began when a former build's group first saw it; None: it never did.
    """
    start = Position(place.topic_id, place.log_start, place.log_start)
    if known is None and former_first is not None and place.committed is not None:
        known = Position(None, place.committed, former_first)
    if known is None:
        first = place.log_start if former_first is None else former_first
        return Opened(Position(place.topic_id, place.log_start, first))
    if known.topic_id not in {None, place.topic_id}:
        return Opened(start, warning="The topic was made anew: it is read from its start.")
    same = Position(place.topic_id, known.next_offset, known.first_offset)
    if known.next_offset < place.log_start:
        return Opened(
            same,
            standing=f"its log begins at {place.log_start}, so the offsets {known.next_offset} to"
            f" {place.log_start - 1} were deleted unread: {_SEEK}",
        )
    if known.next_offset > place.log_end:
        # The log was cut: what was written at these offsets since is not what was read there.
        return Opened(
            Position(place.topic_id, place.log_start, known.first_offset),
            warning=f"The log ends at {place.log_end}, before offset {known.next_offset} where the group"
            " stood: it is read from its start, and what is known is dropped.",
        )
    return Opened(same)


def _by_partition(rows: object) -> dict[TopicPartition, Position]:
    return {
        TopicPartition(topic, number): Position(topic_id and UUID(str(topic_id)), next_offset, first_offset)
        for topic, number, topic_id, next_offset, first_offset in rows  # type: ignore[attr-defined]
    }
