"""Outbox: sends claimed rows to Kafka, without ever failing or delaying its caller."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from app.outbox.breaker import PublishBreaker
from app.outbox.claim import Claim
from app.outbox.failures import failed_send
from app.outbox.write_back import WriteBack
from contracts.envelope import headers_of
from kits.kafka.errors import KafkaError
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.observability.logs import get_logger

log = get_logger(__name__)


class Producer(Protocol):
    """What the publisher needs of the Kafka kit's RecordProducer."""

    @property
    def pending(self) -> int:
        """How many sends have no answer yet."""
        ...

    @property
    def oldest_pending_seconds(self) -> float:
        """The age of the oldest of them."""
        ...

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """Take a record; those of one key keep their order."""
        ...


class OutboxPublisher:
    """Sends each claimed row once per claim.

    Acknowledged: marked published. Refused alone: dead, it holds its order. Anything else is unknown: the row
    is given free and claimed again by a relay. At most `max_held` rows are held at a time.
    """

    def __init__(
        self, write_back: WriteBack, producer: Producer, breaker: PublishBreaker, *, max_held: int
    ) -> None:
        self._write_back = write_back
        self._producer = producer
        self._breaker = breaker
        self._max_held = max_held
        # Bound once: finding the logger anew for every event costs more than a line that nobody reads.
        self._log = log.bind()
        self._progress: Callable[[], None] = lambda: None
        write_back.on_settled(self._note_settled)

    @property
    def held(self) -> int:
        """Rows that are claimed and not settled yet."""
        return self._write_back.held

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way that could tell whether Kafka answers.

        A send can outlive its claim: a process that was frozen claims its lost row anew.
        """
        return self.held == 0 and self._producer.pending == 0

    @property
    def stalled(self) -> bool:
        """Whether Kafka does not answer: new events wait in the outbox."""
        if self._breaker.look(
            pending=self._producer.pending, oldest_seconds=self._producer.oldest_pending_seconds
        ):
            log.warning(
                "kafka_does_not_answer",
                pending=self._producer.pending,
                oldest_seconds=round(self._producer.oldest_pending_seconds, 1),
                action="bring Kafka back; orders are accepted, their events wait in the outbox",
            )
        return self._breaker.is_open

    def on_progress(self, listener: Callable[[], None]) -> None:
        """Call `listener` when relayed rows were settled or Kafka is back: there may be new heads."""
        self._progress = listener

    def accepts(self) -> bool:
        """Whether a new row may be born claimed for this publisher."""
        return not self.stalled and self.held < self._max_held

    def publish(self, claims: Sequence[Claim]) -> None:
        """Send these rows, in this order; returns at once and never raises for a fault of Kafka."""
        for claim in claims:
            self._write_back.hold(claim)
            message = claim.message
            record = OutgoingRecord(message.topic, message.key, message.payload, headers_of(message))
            try:
                sent = self._producer.send(record, not_after=claim.deadline)
            except KafkaError as error:
                self._write_back.failed(failed_send(claim, error))
            else:
                sent.add_done_callback(partial(self._note_result, claim))

    def _note_result(self, claim: Claim, sent: asyncio.Future[Acknowledgement]) -> None:
        error = sent.exception()
        if error is not None:
            self._write_back.failed(failed_send(claim, error))
            return
        if self._breaker.completed():
            log.info("kafka_answers_again", held=self.held)
            self._progress()
        message, ack = claim.message, sent.result()
        self._write_back.acknowledged(claim, ack)
        self._log.debug(
            "event_published",
            order_id=message.aggregate_id,
            event_id=message.event_id,
            seq=message.seq,
            partition=ack.partition,
            offset=ack.offset,
        )

    def _note_settled(self, claims: Sequence[Claim]) -> None:
        if any(claim.relayed for claim in claims):
            self._progress()
