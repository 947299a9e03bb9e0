"""The group `item-members`: the shop's copy of the members' names, one row per member."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypedDict

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import Id, UnreadableEventError
from contracts.member_events import MemberState, read_member_event
from contracts.topics import ITEM_MEMBERS_GROUP
from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.logs import get_logger
from kits.observability.metrics import Cell
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_statement
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import as_document, metadata, qualified
from worker.handler import HandlerUnavailableError, Records, require_sound

log = get_logger(__name__)

member_replica = Table("member_replica", metadata())
_LATEST_MS = 253_402_300_799_000
# Rows are locked in the order of their ids by all who write: a rebuild may run beside any number of workers.
_UPSERT = """
INSERT INTO {table} AS known (member_id, name, version, as_of, written_at)
SELECT member_id, name, version, as_of, coalesce(CAST(:at AS timestamptz), clock_timestamp())
    FROM json_to_recordset(CAST(:rows AS json))
    AS new (member_id text, name text, version bigint, as_of timestamptz) ORDER BY member_id
ON CONFLICT (member_id) DO UPDATE SET name = excluded.name, version = excluded.version,
    as_of = excluded.as_of, written_at = greatest(known.written_at, excluded.written_at)
    WHERE excluded.version > known.version
"""
_DELETE = """
DELETE FROM {table} WHERE member_id IN (SELECT member_id FROM {table}
    WHERE member_id = ANY(CAST(:ids AS text[]))
        AND written_at <= coalesce(CAST(:at AS timestamptz), 'infinity')
    ORDER BY member_id FOR UPDATE)
"""


class ReplicaRow(TypedDict):
    """One member as a record tells it."""

    member_id: str
    name: str
    version: int
    as_of: datetime


class ReplicaChanges:
    """What records make of the replica: the newest of each member, and who is gone."""

    def __init__(self, event: str) -> None:
        self.rows: dict[str, ReplicaRow] = {}
        self.gone: set[str] = set()
        self.left_out = 0
        self._event = event

    def add(self, records: Iterable[IncomingRecord]) -> None:
        """Those of one partition, in their order; one that cannot be read is left out with a warning."""
        for record in records:
            try:
                self._add(record)
            except (UnreadableEventError, msgspec.ValidationError, UnicodeDecodeError) as error:
                self.left_out += 1
                log.warning(
                    "record_left_out", group=ITEM_MEMBERS_GROUP, partition=record.partition,
                    offset=record.offset, reason=str(error), action="look at who writes to the topic",
                )  # fmt: skip

    def _add(self, record: IncomingRecord) -> None:
        member_id = msgspec.convert((record.key or b"").decode("ascii"), Id)
        if record.value is None:
            self.gone.add(member_id)
            self.rows.pop(member_id, None)
            return
        require_sound(record)
        state = read_member_event(self._event, record.value, record.headers)
        if state.member_id != member_id:
            # The topic is compacted by its key: under another one the member would have two newest events.
            raise UnreadableEventError("contradicting_key", "The key is another member's.")
        if not state.name:
            raise UnreadableEventError("empty_name", "The member has no name.")
        known = self.rows.get(member_id)
        if known is None or state.version > known["version"]:
            self.rows[member_id] = {
                "member_id": member_id,
                "name": state.name,
                "version": state.version,
                "as_of": _as_of(state, record),
            }


class ReplicaTable:
    """`member_replica`: in any order, since a lower version changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        table = qualified(member_replica, engine)
        self._upsert = DriverStatement(text(_UPSERT.format(table=table)))
        self._delete = DriverStatement(text(_DELETE.format(table=table)))

    async def write(self, changes: ReplicaChanges, *, at: datetime | None = None) -> None:
        """Bring the table to these changes; each statement commits by itself, and again it does nothing.

        Args:
            at: when rows count as written, by the database's clock, if not now; what was written after it
                is not deleted.
        """
        if changes.gone:
            await driver_fetch(self._engine, self._delete, {"ids": sorted(changes.gone), "at": at})
        if changes.rows:
            rows = as_document(list(changes.rows.values()))
            await driver_fetch(self._engine, self._upsert, {**rows, "at": at})


class MemberReplica:
    """worker.handler.Handler: its offsets are Kafka's."""

    has_room = True

    def __init__(self, engine: AsyncEngine, *, event: str, left_out: Cell) -> None:
        """Args: event: which of the members' events the topic holds, by its `ce_type`."""
        self._table = ReplicaTable(engine)
        self._event = event
        self._left_out = left_out

    async def begin(self, places: Mapping[TopicPartition, Place]) -> Mapping[TopicPartition, int]:
        """See Handler. In a topic that was made anew the group begins anew."""
        return {at: place.goes_on_at for at, place in places.items()}

    async def handle(self, records: Records) -> Mapping[TopicPartition, int]:
        """See Handler: everything in one statement, or two if somebody is gone."""
        changes = ReplicaChanges(self._event)
        for each in records.values():
            changes.add(each)
        try:
            await self._table.write(changes)
        except CONNECTION_ERRORS as error:
            raise HandlerUnavailableError(diagnose_statement(error)) from error
        self._left_out.inc(changes.left_out)
        return {at: each[-1].offset + 1 for at, each in records.items() if each}


def _as_of(state: MemberState, record: IncomingRecord) -> datetime:
    """When the change was committed, else when the broker got it."""
    try:
        if state.changed_at is not None:
            return state.changed_at.astimezone(UTC)
    except OverflowError:
        pass
    return datetime.fromtimestamp(min(max(0, record.timestamp_ms), _LATEST_MS) / 1000, UTC)
