"""Outbox kit, the sink of its queue: sends an event to Kafka once per claim, and judges how that ended."""

import asyncio
from functools import partial
from logging import DEBUG
from typing import Any, Protocol, cast

from kits.kafka.errors import KafkaConfigurationError, KafkaError, RecordRefusedError, RecordTooLargeError
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.observability.health import HealthCheck
from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim, Kind, Result
from kits.resilience.clock import Clock

log = get_logger(__name__)

_CONFIGURATION_WAIT_SECONDS = 5.0


class Producer(Protocol):
    """What the sink needs of the Kafka kit's RecordProducer."""

    @property
    def oldest_pending_seconds(self) -> float:
        """The age of the oldest send without an answer; 0.0 when there is none."""
        ...

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """Take a record; those of one key keep their order."""
        ...


class RecordItem(Protocol):
    """What the sink needs of an item: its owner says what is sent of it, and what logs call it."""

    def record(self) -> OutgoingRecord:
        """What was recorded, byte for byte the same each time."""
        ...

    def names(self) -> dict[str, Any]:
        """The fields that its log lines have."""
        ...


class RecordFormat(HealthCheck, Protocol):
    """In which form records travel; it may change while they wait."""

    def encoded(self, record: OutgoingRecord) -> OutgoingRecord:
        """What goes to Kafka of a record as it was recorded. Never raises."""
        ...

    async def run(self) -> None:
        """What it has to do in the background; may return."""
        ...


class _EndOfClaim(Deadline):
    """A claim is measured by the queue's clock, and a renewal pushes its end forward."""

    claim: Claim
    clock: Clock

    def passed(self, now: float) -> bool:  # noqa: ARG002 - by the queue's clock
        return self.claim.passed(self.clock.now())


class KafkaSink:
    """Done: acknowledged. Refused: by itself, for its own sake. Everything else is Kafka's trouble.

    An outage of Kafka fails nothing for a long time: sends wait, and their age tells of it.
    """

    def __init__(self, producer: Producer, record_format: RecordFormat, clock: Clock) -> None:
        self._producer = producer
        self._format = record_format
        self._clock = clock
        self._answered_at = clock.now()
        # Bound once: finding the logger anew for every event costs more than a line that nobody reads.
        self._log = log.bind()

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest send has waited without that any other was answered meanwhile."""
        return min(self._producer.oldest_pending_seconds, self._clock.now() - self._answered_at)

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """See Sink."""
        # No cast: it would be one call more for every event.
        item: RecordItem = claim.item  # type: ignore[assignment]
        record = self._format.encoded(item.record())
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        try:
            sent = self._producer.send(record, not_after=_EndOfClaim(claim.until, claim, self._clock))
        except KafkaError as error:
            self._end(claim, result, error)
        else:
            sent.add_done_callback(partial(self._note_answer, claim, result))
        return result

    def _note_answer(
        self, claim: Claim, result: asyncio.Future[Result], sent: asyncio.Future[Acknowledgement]
    ) -> None:
        if (error := sent.exception()) is not None:
            self._end(claim, result, error)
            return
        self._answered_at = self._clock.now()
        ack = sent.result()
        if self._log.is_enabled_for(DEBUG):
            self._log.debug("event_published", **_names(claim), partition=ack.partition, offset=ack.offset)
        result.set_result(Result(Kind.DONE, written=(ack.partition, ack.offset)))

    def _end(self, claim: Claim, result: asyncio.Future[Result], error: BaseException) -> None:
        if isinstance(error, RecordRefusedError | RecordTooLargeError):
            action = "later events of its key wait; mend the topic, then `outbox retry` or `outbox abandon`"
            log.error("event_refused_by_kafka", **_names(claim), reason=str(error), action=action)
            self._answered_at = self._clock.now()
            result.set_result(Result(Kind.REFUSED, error.code, str(error)))
        elif isinstance(error, KafkaConfigurationError):
            action = "check the topic and the rights on it"
            log.error("kafka_configuration_wrong", **_names(claim), reason=str(error), action=action)
            result.set_result(_unavailable(error, _CONFIGURATION_WAIT_SECONDS))
        elif claim.passed(self._clock.now()):
            # Nobody handed it to Kafka any more, or its answer comes too late to be written.
            result.cancel()
        else:
            action = "none: it is claimed and sent again"
            log.warning("event_send_unknown", **_names(claim), reason=str(error), action=action)
            result.set_result(_unavailable(error, 0.0))


def _unavailable(error: BaseException, retry_after_seconds: float) -> Result:
    code = getattr(error, "code", type(error).__name__)
    return Result(Kind.UNAVAILABLE, code, str(error), retry_after_seconds)


def _names(claim: Claim) -> dict[str, Any]:
    return cast(RecordItem, claim.item).names()
