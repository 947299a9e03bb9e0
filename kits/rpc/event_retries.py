"""Request-reply, events: tried again with back-off, then a dead letter, which is written before going on."""

import asyncio
import time

from kits.kafka.errors import KafkaError, RecordRefusedError, RecordTooLargeError
from kits.kafka.records import IncomingRecord, OutgoingRecord
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.resilience.retry import Backoff
from kits.rpc.call import Call
from kits.rpc.handlers import RpcHandler, is_cut_off
from kits.rpc.ledger import AlreadyAnsweredError
from kits.rpc.ports import RpcProducer
from kits.rpc.values import UnreadableValueError

log = get_logger(__name__)
_RETRY = Backoff(base_seconds=0.2, cap_seconds=5.0)
_DEAD_LETTER_SECONDS = 30.0
_MAX_REASON = 1_000
_LINE_SECONDS = 10.0


def dead_letter_topic(topic: str, group: str) -> str:
    """Where the events go that this group could not handle: same key, bytes and headers, plus `dlq_*`."""
    return f"{topic}.{group}.dlq"


class EventRetries:
    """Handles events. One that fails holds back only those of its own key.

    An event on a topic of requests has no retries and no dead-letter topic: it is logged, with its place.
    """

    def __init__(self, producer: RpcProducer, group: str, backoff: Backoff = _RETRY) -> None:
        self._producer = producer
        self._group = group
        self._backoff = backoff
        self._lines = Repeats(every_seconds=_LINE_SECONDS)

    async def handle(self, handler: RpcHandler, record: IncomingRecord, call: Call) -> str:
        """Returns how it ended: ok, repeated, unreadable, failed or dead_letter, the letter being written."""
        event, reason = None, str(record.fault or "")
        try:
            event = handler.request.read(record.value)
        except UnreadableValueError as error:
            reason = str(error)
        if reason:
            await self._give_up(handler, record, "unreadable_event", reason, 0)
            return "unreadable"
        attempt = 0
        while True:
            try:
                await self._run(handler, event, call)
            except AlreadyAnsweredError:
                return "repeated"
            except (Exception, asyncio.CancelledError) as error:
                if is_cut_off(error):
                    raise
                attempt += 1
                if count := self._lines.due(f"failed {record.topic} {type(error).__name__}"):
                    log.warning(
                        "event_handler_failed", **place_of(record), attempt=attempt, count=count,
                        exc_info=True,
                        action="none if it works when it is tried again; else it becomes a dead letter",
                    )  # fmt: skip
                if attempt > handler.retries:
                    await self._give_up(handler, record, type(error).__name__, _words_of(error), attempt)
                    return "dead_letter" if handler.is_event else "failed"
                await asyncio.sleep(self._backoff.wait_seconds(attempt - 1))
            else:
                return "ok"

    async def _run(self, handler: RpcHandler, event: object, call: Call) -> None:
        try:
            if handler.is_stream:
                async for _ in handler.replies(event, call):
                    pass
            else:
                await handler.answer(event, call)
                await call.settle(None)
        finally:
            await call.abandon()

    async def _give_up(
        self, handler: RpcHandler, record: IncomingRecord, code: str, reason: str, attempts: int
    ) -> None:
        reason = reason[:_MAX_REASON]
        if not handler.is_event:
            if count := self._lines.due(f"left out {record.topic} {code}"):
                log.error(
                    "event_left_out", **place_of(record), code=code, reason=reason, count=count,
                    action="send it as a request, or mark its handler @event_pattern",
                )  # fmt: skip
            return
        topic = dead_letter_topic(record.topic, self._group)
        about = (
            ("dlq_topic", record.topic.encode()),
            ("dlq_partition", str(record.partition).encode()),
            ("dlq_offset", str(record.offset).encode()),
            ("dlq_error_code", code.encode()),
            ("dlq_error_message", reason.encode(errors="replace")),
            ("dlq_attempts", str(attempts).encode()),
        )
        key = record.key if record.key is not None or record.value is not None else b""
        await self._bury(
            OutgoingRecord(topic, key, record.value, (*record.headers, *about)),
            # Where it lies is said at least, if Kafka does not take it with a word more than it had.
            OutgoingRecord(topic, (key or b"")[:_MAX_REASON], None, (*about, ("dlq_value", b"left out"))),
        )
        if count := self._lines.due(f"dead letter {record.topic} {code}"):
            log.error(
                "event_dead_letter", **place_of(record), code=code, reason=reason, count=count,
                action=f"read it in {topic}, mend its cause, send it again",
            )  # fmt: skip

    async def _bury(self, letter: OutgoingRecord, shorter: OutgoingRecord) -> None:
        """Kafka may be away: it is written again and again, and nothing of its key goes on before."""
        attempt = 0
        while True:
            try:
                await self._producer.send(letter, not_after=time.monotonic() + _DEAD_LETTER_SECONDS)
            except KafkaError as error:
                if count := self._lines.due(f"not written {letter.topic} {error.code}"):
                    log.warning(
                        "dead_letter_not_written", topic=letter.topic, error=str(error), count=count,
                        action="make the topic or give the right to write it; later events of its key wait",
                    )  # fmt: skip
                if isinstance(error, RecordTooLargeError | RecordRefusedError):
                    letter = shorter
                await asyncio.sleep(self._backoff.wait_seconds(attempt))
                attempt += 1
            else:
                return


def place_of(record: IncomingRecord) -> dict[str, object]:
    """Where a record stands, for the log."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _words_of(error: BaseException) -> str:
    """What an error says of itself, if it can."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is a handler's own class
        return ""
