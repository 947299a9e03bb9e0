"""Adapter: copies dead events to the dead-letter topic, as they were, with headers that say why."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from kits.kafka.errors import KafkaError, RecordRefusedError, RecordTooLargeError
from kits.kafka.producer import RecordProducer
from kits.kafka.records import Acknowledgement, OutgoingRecord
from kits.observability.logs import get_logger
from worker.delivery.ports import DeadLettersUnavailableError
from worker.delivery.verdicts import Verdict

log = get_logger(__name__)

_SEND_SECONDS = 30.0
_ACTION = "raise max.message.bytes of the dead-letter topic; the ledger keeps the whole event"


class KafkaDeadLetterTopic:
    """worker.delivery.ports.DeadLetters: same key, bytes and headers, plus `dlq_*` headers.

    A copy that the topic can never take (too large) is left out with an error in the log: the event itself is
    safe in the ledger, and its partition must go on.
    """

    def __init__(self, producer: RecordProducer, *, topic: str, group: str) -> None:
        self._producer = producer
        self._topic = topic
        self._group = group

    async def copy(self, verdicts: Sequence[Verdict]) -> None:
        """See the port. The order of the copies of one key is the order of `verdicts`."""
        remaining = verdicts
        while remaining:
            failed, reason = await self._try(remaining)
            if failed and len(failed) == len(remaining):
                # Nothing was acknowledged and nothing left out: it is not the fault of a single record.
                raise DeadLettersUnavailableError(f"Dead letters were not acknowledged ({reason}).")
            remaining = failed

    async def _try(self, verdicts: Sequence[Verdict]) -> tuple[list[Verdict], str]:
        """Send once; returns what has to be sent again, in its order, and why."""
        not_after = time.monotonic() + _SEND_SECONDS
        sent: dict[Verdict, asyncio.Future[Acknowledgement]] = {}
        failed: list[Verdict] = []
        reason = ""
        for verdict in verdicts:
            try:
                sent[verdict] = self._producer.send(self._copy_of(verdict), not_after=not_after)
            except RecordTooLargeError as error:
                self._left_out(verdict, error)
            except KafkaError as error:
                # What follows must not overtake it.
                failed, reason = list(verdicts[len(sent) :]), error.code
                break
        results = await asyncio.gather(*sent.values(), return_exceptions=True)
        unknown: list[Verdict] = []
        for verdict, result in zip(sent, results, strict=True):
            if isinstance(result, RecordRefusedError):
                self._left_out(verdict, result)
            elif isinstance(result, KafkaError):
                unknown.append(verdict)
                reason = result.code
            elif isinstance(result, BaseException):
                raise result
        return [*unknown, *failed], reason

    def _copy_of(self, verdict: Verdict) -> OutgoingRecord:
        record = verdict.event.record
        return OutgoingRecord(
            self._topic, record.key, record.value, (*record.headers, *_headers(verdict, self._group))
        )

    def _left_out(self, verdict: Verdict, error: KafkaError) -> None:
        log.error(
            "dead_letter_copy_left_out", event_id=verdict.event.event_id, code=error.code, action=_ACTION
        )


def _headers(verdict: Verdict, group: str) -> tuple[tuple[str, bytes], ...]:
    event, record, failure = verdict.event, verdict.event.record, verdict.failure
    values = {
        "dlq_group": group,
        "dlq_topic": record.topic,
        "dlq_partition": str(record.partition),
        "dlq_offset": str(record.offset),
        "dlq_attempts": str(event.attempts),
        "dlq_error_class": failure.error_class if failure else "",
        "dlq_error_code": failure.code if failure else "",
        "dlq_error_message": failure.message if failure else "",
        "dlq_first_failed_at": _text(event.first_failed_at),
        "dlq_last_failed_at": _text(event.last_failed_at),
    }
    return tuple((name, value.encode()) for name, value in values.items())


def _text(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds") if at else ""
