"""The group `item-members`, for operators: its table made anew from the compacted topic, beside the group."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.log_reader import LogReader
from kits.kafka.records import TopicPartition
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import qualified
from worker.groups.member_replica import ReplicaChanges, ReplicaTable, member_replica
from worker.handler import RecordValues

_RECORDS = 1_000
_ROWS = 1_000
_NOW = DriverStatement(text("SELECT clock_timestamp()"))
_MARK = """
UPDATE {table} AS known SET written_at = greatest(known.written_at, CAST(:at AS timestamptz))
    FROM (SELECT member_id FROM {table} WHERE member_id = ANY(CAST(:ids AS text[]))
        ORDER BY member_id FOR UPDATE) AS found
    WHERE known.member_id = found.member_id
"""
_DELETE_STRANGERS = """
DELETE FROM {table} WHERE member_id IN (SELECT member_id FROM {table}
    WHERE written_at < CAST(:at AS timestamptz) ORDER BY member_id LIMIT {limit} FOR UPDATE)
    RETURNING member_id
"""
_COUNT = "SELECT count(*) FROM {table}"


class Rebuilt(NamedTuple):
    """What a rebuild found: records, those of them left out, rows deleted, and members there are now."""

    records: int
    left_out: int
    deleted: int
    members: int


class MemberRebuild:
    """Reads a topic of the members' events from its start to its end, into the replica.

    The version rule makes it safe twice and beside the running group. Rows that the topic does not know are
    deleted at the end: those that were written before the rebuild began and that it did not come by. A
    rebuild that is cut off has deleted none of them.
    """

    def __init__(
        self, engine: AsyncEngine, reader: LogReader, values: RecordValues, *, topic: str, event: str
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._values = values
        self._topic = topic
        self._event = event
        self._table = ReplicaTable(engine)
        self._name = qualified(member_replica, engine)
        self._mark = self._statement(_MARK)
        self._delete = self._statement(_DELETE_STRANGERS)

    async def run(self) -> Rebuilt:
        """Do all of it.

        Raises:
            KafkaError: the topic is not there, or a part of it cannot be read.
            DATABASE_ERRORS: a statement failed.
        """
        # Before the topic's end is known: what a worker writes from now on must not be deleted.
        ((began,),) = await driver_fetch(self._engine, _NOW)
        records = left_out = deleted = 0
        async with self._reader as reader:
            for at, (offset, end) in sorted((await reader.bounds(self._topic)).items()):
                read, unread = await self._read(reader, at, offset, end, began)
                records, left_out = records + read, left_out + unread
        while gone := await driver_fetch(self._engine, self._delete, {"at": began}):
            deleted += len(gone)
        ((members,),) = await driver_fetch(self._engine, self._statement(_COUNT))
        return Rebuilt(records, left_out, deleted, members)

    async def _read(
        self, reader: LogReader, at: TopicPartition, offset: int, end: int, began: datetime
    ) -> tuple[int, int]:
        records = left_out = 0
        while offset < end:
            piece = await reader.piece(at, offset, _RECORDS)
            changes = ReplicaChanges(self._event)
            read, held = await self._values.read({at: piece.records})
            if held:
                raise held[0]
            changes.add(read.get(at, ()))
            await self._table.write(changes, at=began)
            known = {"ids": sorted(changes.rows), "at": began}
            await driver_fetch(self._engine, self._mark, known)
            records, left_out = records + len(piece.records), left_out + changes.left_out
            offset = piece.next_offset
        return records, left_out

    def _statement(self, sql: str) -> DriverStatement:
        return DriverStatement(text(sql.format(table=self._name, limit=_ROWS)))
