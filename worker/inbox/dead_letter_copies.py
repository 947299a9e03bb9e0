"""Inbox, copies: every event that died goes to the dead-letter topic too, with why in its headers."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.errors import KafkaError
from kits.kafka.records import Acknowledgement, OutgoingRecord
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import as_document
from worker.inbox.headers import decode_headers
from worker.inbox.sql import statement

log = get_logger(__name__)

_AT_ONCE = 100
_SEND_SECONDS = 20.0
_LEASE_SECONDS = 60.0
_ACTION = "make the dead-letter topic usable (that it is there, the right to write, max.message.bytes)"

# The lowest number of an order goes first; the next one when that is copied, whoever copies it.
_CLAIM = """
WITH due AS (
    SELECT q.event_id FROM $inbox_event q
     WHERE q.consumer_group = :consumer_group AND $to_copy
       AND (q.dlq_due_at IS NULL OR q.dlq_due_at < statement_timestamp())
       AND NOT EXISTS (SELECT 1 FROM (
            SELECT e.seq, e.was_seq FROM $inbox_event e
             WHERE e.consumer_group = q.consumer_group AND e.order_id = q.order_id AND $to_copy) e
             WHERE coalesce(e.seq, e.was_seq) < coalesce(q.seq, q.was_seq))
     ORDER BY q.order_id, q.event_id LIMIT CAST(:at_once AS bigint) FOR UPDATE OF q SKIP LOCKED)
UPDATE $inbox_event q
   SET dlq_due_at = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision))
  FROM due WHERE q.consumer_group = :consumer_group AND q.event_id = due.event_id RETURNING q.*
"""
_COPIED = """
UPDATE $inbox_event q
   SET dlq_copied_at = clock_timestamp(), dlq_due_at = NULL,
       (payload, headers, record_key) = (
           SELECT q.payload, q.headers, q.record_key WHERE q.delivered_at IS NULL OR q.notice_of IS NOT NULL)
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (event_id text)
 WHERE q.consumer_group = :consumer_group AND q.event_id = sent.event_id AND q.dlq_copied_at IS NULL
"""
_LATER = """
UPDATE $inbox_event q
   SET dlq_due_at = clock_timestamp() + make_interval(secs => CAST(:wait AS double precision))
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (event_id text)
 WHERE q.consumer_group = :consumer_group AND q.event_id = sent.event_id AND q.dlq_copied_at IS NULL
"""


class RecordSender(Protocol):
    """What copies are sent with (kits.kafka.producer.RecordProducer)."""

    def send(self, record: OutgoingRecord, *, not_after: float) -> asyncio.Future[Acknowledgement]:
        """Take a record; its future ends with the acknowledgement or a KafkaError. May raise one itself."""
        ...


class DeadLetterCopies:
    """A small relay of its own: at least once, one event of an order at a time, in any number of processes.

    A topic that is missing, forbidden or too narrow stops nothing: it is an alert, and what could not be
    copied is tried again for ever. It is also the health check of that.
    """

    name = "dead_letter_copies"

    def __init__(
        self,
        engine: AsyncEngine,
        producer: RecordSender,
        *,
        group: str,
        topic: str,
        wait_seconds: float = 15.0,
    ) -> None:
        """Args: wait_seconds: how long after a copy that failed it is tried again."""
        self._engine = engine
        self._producer = producer
        self._group = group
        self._topic = topic
        self._wait_seconds = wait_seconds
        self._claim = statement(engine, _CLAIM)
        self._copied = statement(engine, _COPIED)
        self._later = statement(engine, _LATER)
        self._failure = ""

    async def look(self) -> bool:
        """Copy up to 100 events; whether there may be more.

        Raises: what the driver raises, while the database is away; then some copies may be made twice.
        """
        bounds = {"at_once": _AT_ONCE, "lease": _LEASE_SECONDS}
        rows = await self._run(self._claim, **bounds)
        copied: list[str] = []
        failed: list[str] = []
        for row, error in zip(rows, await self._send(rows), strict=True):
            (failed if error else copied).append(row["event_id"])
        if copied:
            await self._run(self._copied, **as_document([{"event_id": each} for each in sorted(copied)]))
        if failed:
            later = as_document([{"event_id": each} for each in sorted(failed)])
            await self._run(self._later, wait=self._wait_seconds, **later)
        if rows and not failed:
            self._failure = ""
        return bool(copied)

    async def check(self) -> CheckResult:
        """Degraded while copies cannot be made."""
        if not self._failure:
            return CheckResult(Status.OK)
        return CheckResult(
            Status.DEGRADED, f"Dead letters cannot be copied to {self._topic} ({self._failure}): {_ACTION}."
        )

    async def _send(self, rows: Sequence[Any]) -> list[str]:
        """What went wrong with each; "" for those that are acknowledged."""
        sent = [self._sent(row) for row in rows]
        waiting = [each for each in sent if isinstance(each, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting, timeout=_SEND_SECONDS + _SEND_SECONDS / 2)
        errors = [self._error_of(each) for each in sent]
        if error := next(filter(None, errors), None):
            if not self._failure:
                log.warning("dead_letters_not_copied", topic=self._topic, reason=str(error), action=_ACTION)
            self._failure = str(error)
        return [str(error or "") for error in errors]

    def _sent(self, row: Any) -> asyncio.Future[Acknowledgement] | KafkaError:
        headers = (*decode_headers(row["headers"]), *_reasons(row, self._group))
        record = OutgoingRecord(self._topic, row["record_key"], row["payload"], headers)
        try:
            return self._producer.send(record, not_after=time.monotonic() + _SEND_SECONDS)
        except KafkaError as error:
            return error

    @staticmethod
    def _error_of(sent: asyncio.Future[Acknowledgement] | KafkaError) -> object:
        if isinstance(sent, KafkaError):
            return sent
        if not sent.done():
            return "no answer"
        with suppress(asyncio.CancelledError):
            return sent.exception()
        return "the producer was stopped"

    async def _run(self, statement: DriverStatement, **values: Any) -> Sequence[Any]:
        return await driver_fetch(self._engine, statement, {"consumer_group": self._group, **values})


def _reasons(row: Any, group: str) -> tuple[tuple[str, bytes], ...]:
    values = {
        "dlq_group": group,
        "dlq_topic": row["topic"],
        "dlq_partition": str(row["partition"]),
        "dlq_offset": str(row["offset"]),
        "dlq_attempts": str(row["attempts"]),
        "dlq_error_class": row["error_class"],
        "dlq_error_code": row["error_code"],
        "dlq_error_message": row["error_message"],
        "dlq_first_failed_at": _time(row["first_failed_at"]),
        "dlq_last_failed_at": _time(row["last_failed_at"]),
    }
    return tuple((name, (value or "").encode()) for name, value in values.items())


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds") if at else ""
