"""Inbox, payloads: what is to be replayed gets its bytes back, from the place where it was read first."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import UnreadableEventError, read_envelope
from kits.kafka.errors import KafkaError, PartitionError
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import as_document
from worker.inbox.error_class import ErrorClass
from worker.inbox.headers import encode_headers
from worker.inbox.sql import statement

log = get_logger(__name__)

_AT_ONCE = 500
_MAX_BYTES = 16 * 1_048_576
_LOST = "its topic has lost its bytes: `python -m app outbox republish` brings them, `dlq skip` does without"

_WANTED = """
SELECT q.event_id, q.topic, q.topic_id, q.partition, q."offset" FROM $inbox_event q
 WHERE q.consumer_group = :consumer_group AND $waiting AND q.payload IS NULL
   AND q.error_class IS DISTINCT FROM '$lost'
 ORDER BY q.due_at, q.event_id LIMIT CAST(:at_once AS bigint)
"""
_FILL = """
UPDATE $inbox_event q
   SET payload = decode(sent.payload, 'base64'), payload_size = octet_length(decode(sent.payload, 'base64')),
       record_key = decode(sent.record_key, 'base64'), headers = decode(sent.headers, 'base64')
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (
       event_id text, payload text, record_key text, headers text)
 WHERE q.consumer_group = :consumer_group AND q.event_id = sent.event_id AND $waiting AND q.payload IS NULL
"""
_LOSE = """
UPDATE $inbox_event q
   SET error_class = '$lost', error_code = '$lost', error_message = :message,
       last_failed_at = clock_timestamp()
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (event_id text)
 WHERE q.consumer_group = :consumer_group AND q.event_id = sent.event_id AND $waiting AND q.payload IS NULL
"""


class LogPiece(Protocol):
    """Some records of a partition in their order; `next_offset` is where reading would go on."""

    @property
    def records(self) -> Sequence[IncomingRecord]: ...
    @property
    def next_offset(self) -> int: ...


class LogSource(Protocol):
    """Reads a topic without a group (kits.kafka.log_reader.LogReader); bounded."""

    async def topic_id(self, topic: str) -> UUID | None:
        """Which topic has this name now; None if none has."""
        ...

    async def read(self, at: TopicPartition, offset: int) -> LogPiece:
        """What one fetch brings from `offset` on.

        Raises:
            PartitionError: there is no such offset, or it cannot be read.
            KafkaError: nobody answers, or a right is missing.
        """
        ...


class Payloads:
    """Fills rows that wait without bytes, up to 500 of them at a time, in any number of processes.

    What is not at its place any more is listed as `payload_lost`, and waits for somebody to bring it. It is
    also the health check of the reading.
    """

    name = "replayed-payloads"

    def __init__(self, engine: AsyncEngine, source: LogSource, *, group: str) -> None:
        self._engine = engine
        self._source = source
        self._group = group
        lost = ErrorClass.PAYLOAD_LOST
        self._wanted = statement(engine, _WANTED, lost=lost)
        self._fill = statement(engine, _FILL)
        self._lose = statement(engine, _LOSE, lost=lost)
        self._failure = ""

    async def look(self) -> bool:
        """Fill what wants its bytes; whether there may be more.

        Raises: what the driver raises, while the database is away.
        """
        rows = await self._run(self._wanted, at_once=_AT_ONCE)
        done = 0
        for topic in sorted({row["topic"] for row in rows}):
            try:
                done += await self._topic(topic, [row for row in rows if row["topic"] == topic])
            except KafkaError as error:
                if not self._failure:
                    log.warning("payloads_not_read", topic=topic, reason=str(error), action="see /readyz")
                self._failure = str(error)
                return False
        self._failure = ""
        return done > 0

    async def check(self) -> CheckResult:
        """Degraded while Kafka cannot be read."""
        if not self._failure:
            return CheckResult(Status.OK)
        return CheckResult(Status.DEGRADED, f"Replayed events wait for their bytes: {self._failure}.")

    async def _topic(self, topic: str, rows: Sequence[Any]) -> int:
        topic_id = await self._source.topic_id(topic)
        here = [row for row in rows if topic_id is not None and row["topic_id"] in {None, topic_id}]
        read = {row["event_id"]: None for row in rows if row not in here} | await self._read(topic, here)
        filled = [_filled(event_id, record) for event_id, record in sorted(read.items()) if record]
        if filled:
            await self._run(self._fill, **as_document(filled))
        lost = sorted(event_id for event_id, record in read.items() if record is None)
        if lost:
            log.warning("payloads_lost", events=len(lost), first=lost[0], action="see `dlq list`")
            rows_of_them = as_document([{"event_id": event_id} for event_id in lost])
            await self._run(self._lose, message=_LOST, **rows_of_them)
        return len(read)

    async def _read(self, topic: str, rows: Sequence[Any]) -> dict[str, IncomingRecord | None]:
        """The record of each event, None if its place has another or none; as many as the bound allows."""
        found: dict[str, IncomingRecord | None] = {}
        records: Mapping[int, IncomingRecord] = {}
        reached, size = (-1, 0), 0
        for row in sorted(rows, key=lambda row: (row["partition"], row["offset"])):
            partition, offset = row["partition"], row["offset"]
            if (partition, offset) >= reached:
                if size > _MAX_BYTES:
                    break
                records, next_offset = await self._piece(TopicPartition(topic, partition), offset)
                reached = (partition, next_offset)
            record = records.get(offset)
            found[row["event_id"]] = record if record and _is(record, row["event_id"]) else None
            size += len(record.value or b"") if record else 0
        return found

    async def _piece(self, at: TopicPartition, offset: int) -> tuple[Mapping[int, IncomingRecord], int]:
        try:
            piece = await self._source.read(at, offset)
        except PartitionError:
            return {}, offset + 1
        return {record.offset: record for record in piece.records}, max(piece.next_offset, offset + 1)

    async def _run(self, asked: DriverStatement, **values: Any) -> Sequence[Any]:
        return await driver_fetch(self._engine, asked, {"consumer_group": self._group, **values})


def _is(record: IncomingRecord, event_id: str) -> bool:
    try:
        return read_envelope(record.value, record.headers).event_id == event_id
    except UnreadableEventError:
        return False


def _filled(event_id: str, record: IncomingRecord) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "payload": record.value,
        "record_key": record.key,
        "headers": encode_headers(record.headers),
    }
