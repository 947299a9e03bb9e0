"""Inbox, payloads: what is to be replayed gets its bytes back, from the place where it was read first."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import UnreadableEventError, read_envelope
from kits.kafka.errors import KafkaError, KafkaUnavailableError, PartitionError
from kits.kafka.log_reader import LogReader
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import as_document
from worker.handler import RecordValues
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
   AND (q.error_class IS DISTINCT FROM '$lost' OR q.last_failed_at < q.replayed_at)
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


class Payloads:
    """Fills rows that wait without bytes, up to 500 of them at a time, in any number of processes.

    What is not at its place any more is listed as `payload_lost`, and waits for somebody to bring it. It is
    also the health check of the reading.
    """

    name = "replayed_payloads"

    def __init__(self, engine: AsyncEngine, reader: LogReader, values: RecordValues, *, group: str) -> None:
        self._engine = engine
        self._reader = reader
        self._values = values
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
        if not rows:
            return False
        try:
            async with self._reader:
                read = await self._read(rows)
        except KafkaError as error:
            if not self._failure:
                log.warning("payloads_not_read", reason=str(error), action="see /readyz")
            self._failure = str(error)
            return False
        self._failure = ""
        await self._write(read)
        return True

    async def check(self) -> CheckResult:
        """Degraded while Kafka cannot be read."""
        if not self._failure:
            return CheckResult(Status.OK)
        return CheckResult(Status.DEGRADED, f"Replayed events wait for their bytes: {self._failure}.")

    async def _read(self, rows: Sequence[Any]) -> dict[str, IncomingRecord | None]:
        """The record of each event, None if its place has another or none; as many as the bound allows."""
        topic_ids = await self._reader.topic_ids(*{row["topic"] for row in rows})
        found: dict[str, IncomingRecord | None] = {}
        records: Mapping[int, IncomingRecord] = {}
        reached, size = ("", 0, 0), 0
        for row in sorted(rows, key=_place):
            topic, _, offset = _place(row)
            if topic not in topic_ids or row["topic_id"] not in {None, topic_ids[topic]}:
                found[row["event_id"]] = None
                continue
            if _place(row) >= reached:
                if size > _MAX_BYTES:
                    break
                records = await self._piece(*_place(row))
                reached = *_place(row)[:2], max(records, default=offset) + 1
            record = records.get(offset)
            found[row["event_id"]] = record if record and _is(record, row["event_id"]) else None
            size += len(record.value or b"") if record else 0
        return found

    async def _piece(self, topic: str, partition: int, offset: int) -> Mapping[int, IncomingRecord]:
        try:
            records = await self._reader.read(TopicPartition(topic, partition), offset, _AT_ONCE)
        except PartitionError:
            return {}
        at = TopicPartition(topic, partition)
        read, held = await self._values.read({at: records})
        if held:
            raise KafkaUnavailableError(str(held[0]))
        return {record.offset: record for record in read.get(at, ())}

    async def _write(self, read: Mapping[str, IncomingRecord | None]) -> None:
        filled = [_filled(event_id, record) for event_id, record in sorted(read.items()) if record]
        if filled:
            await self._run(self._fill, **as_document(filled))
        lost = sorted(event_id for event_id, record in read.items() if record is None)
        if lost:
            log.warning("payloads_lost", events=len(lost), first=lost[0], action="see `dlq list`")
            rows = as_document([{"event_id": event_id} for event_id in lost])
            await self._run(self._lose, message=_LOST, **rows)

    async def _run(self, asked: DriverStatement, **values: Any) -> Sequence[Any]:
        return await driver_fetch(self._engine, asked, {"consumer_group": self._group, **values})


def _place(row: Any) -> tuple[str, int, int]:
    return row["topic"], row["partition"], row["offset"]


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
