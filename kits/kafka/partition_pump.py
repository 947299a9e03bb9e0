"""Kafka kit, sending: takes batches of one partition to the broker and judges what comes back."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiokafka import errors as client

from kits.kafka.errors import KafkaError, RecordRefusedError, SendNotDoneError
from kits.kafka.failures import Meaning, meaning_of, translated
from kits.kafka.producer_session import ProducerSession, SessionEndedError
from kits.kafka.records import TopicPartition
from kits.kafka.send_book import SendBook
from kits.kafka.send_queue import Pending, SendQueue
from kits.kafka.session_keeper import SessionKeeper
from kits.kafka.topic_routes import TopicRoutes
from kits.observability.logs import get_logger

log = get_logger(__name__)

_DOUBTS_BEFORE_REFUSED = 5
_NO_LEADER_SECONDS = 0.1


class BatchLimit(Protocol):
    """How large a batch for a topic may be, in bytes."""

    def __call__(self, topic: str) -> int: ...


def given_up() -> KafkaError:
    """The end of a record whose deadline passed while it waited, or of one behind such a record."""
    return SendNotDoneError("the deadline passed before Kafka took the record, or one before it of its key")


class PartitionPump:
    """One batch in flight; the next is gathered meanwhile. Its order is the partition's order.

    A lone record goes at once. Under load a batch begins no earlier than `spacing_seconds` after the one
    before, unless a full one waits: many small batches cost the broker, and this process, more than the
    records in them.
    """

    def __init__(
        self,
        *,
        at: TopicPartition,
        queue: SendQueue,
        keeper: SessionKeeper,
        book: SendBook,
        routes: TopicRoutes,
        limit: BatchLimit,
        spacing_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._at = at
        self._queue = queue
        self._keeper = keeper
        self._book = book
        self._routes = routes
        self._limit = limit
        self._spacing_seconds = spacing_seconds
        self._clock = clock
        self._next_at = 0.0
        self.in_flight_since: float | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._queue.work.wait()
            await self._keep_distance()
            session = await self._keeper.session()
            if self._at.partition not in session.partitions_of(self._at.topic):
                self._routes.unsettle(self._at.topic)
            elif not session.has_leader(self._at):
                await session.refresh([self._at.topic], within_seconds=1.0)
                await asyncio.sleep(_NO_LEADER_SECONDS)
            else:
                await self._send_next(session)

    async def _keep_distance(self) -> None:
        early = self._next_at - self._clock()
        if early > 0 and self._queue.bytes < self._limit(self._at.topic):
            await asyncio.sleep(early)
        self._next_at = self._clock() + self._spacing_seconds

    async def _send_next(self, session: ProducerSession) -> None:
        # Nothing may be awaited between take() and the hand-over: the deadlines are checked in take().
        batch = self._queue.take(now=self._clock(), max_bytes=self._limit(self._at.topic))
        if not batch:
            self._book.fail(self._queue.expire(self._clock()), given_up)
            return
        self.in_flight_since = self._clock()
        try:
            await self._deliver(session, batch)
        finally:
            self.in_flight_since = None

    async def _deliver(self, session: ProducerSession, batch: list[Pending]) -> None:
        try:
            base_offset = await session.deliver(self._at, [pending.record for pending in batch])
        except SessionEndedError:
            self._queue.put_back(batch)
        except client.KafkaError as error:
            # First the judgement: the new session must find the queues in order.
            self._judge(session, batch, error)
            session.broken.set()
        except BaseException:
            self._queue.put_back(batch)
            session.broken.set()
            raise
        else:
            self._book.acknowledge(batch, self._at.partition, base_offset)

    def _judge(self, session: ProducerSession, batch: list[Pending], error: client.KafkaError) -> None:
        meaning = meaning_of(error)
        log.warning(
            "kafka_batch_failed",
            topic=self._at.topic,
            partition=self._at.partition,
            records=len(batch),
            error=repr(error),
            action="none: the producer is replaced and what is unacknowledged goes again in order"
            if meaning is not Meaning.CONFIGURATION
            else "give this user the right to write, create the topic, or set the clock of this machine",
        )
        if meaning is Meaning.CONFIGURATION:
            affected = [*batch, *self._routes.clear(self._at.topic)]
            self._book.fail(affected, lambda: translated(error, f"sending to {self._at.topic}"))
        elif meaning is Meaning.OUTAGE:
            self._queue.put_back(batch)
        else:
            session.answered = session.answered or meaning is Meaning.REFUSED
            self._single_out(batch, error, certain=meaning is Meaning.REFUSED)

    def _single_out(self, batch: list[Pending], error: client.KafkaError, *, certain: bool) -> None:
        # A broker refuses a whole batch for one record: each goes again alone, until the culprit is found.
        first = batch[0]
        if len(batch) > 1 or not (certain or self._proven(first)):
            for pending in batch:
                pending.alone = True
            self._queue.put_back(batch)
            return
        self._book.fail([first], lambda: RecordRefusedError(f"the broker refused the record: {error!r}"))
        self._book.fail(self._queue.drop_keys([first.record.key]), _follows_a_refused_one)

    def _proven(self, pending: Pending) -> bool:
        """A reason the client cannot read counts as a refusal when it is repeated while others succeed."""
        if pending.doubts == 0:
            pending.acks_at_first_doubt = self._book.acknowledged
        pending.doubts += 1
        others_succeed = self._book.acknowledged > pending.acks_at_first_doubt
        return pending.doubts >= _DOUBTS_BEFORE_REFUSED and others_succeed


def _follows_a_refused_one() -> KafkaError:
    return SendNotDoneError("the broker refused an earlier record of the same key")
