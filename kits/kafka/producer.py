"""Kafka kit, sending: records are acknowledged in the order of their key, or told to be unknown."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from kits.kafka.errors import RecordTooLargeError, SendNotDoneError
from kits.kafka.partition_pump import PartitionPump, given_up
from kits.kafka.probe import BrokerProbe
from kits.kafka.producer_session import ProducerSession
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord, TopicPartition
from kits.kafka.security import KafkaSecurity, client_options
from kits.kafka.send_book import SendBook
from kits.kafka.send_queue import BATCH_OVERHEAD_BYTES, SendQueue, record_size
from kits.kafka.session_keeper import SessionKeeper
from kits.kafka.topic_finder import TopicFinder
from kits.kafka.topic_routes import TopicRoutes, no_such_partition
from kits.observability.logs import get_logger
from kits.process.background import Supervisor

log = get_logger(__name__)

_BATCH_BYTES = 64 * 1024
_REQUEST_TIMEOUT_MS = 30_000
_METADATA_MAX_AGE_MS = 30_000
_TICK_SECONDS = 0.25
_DISCARD_SECONDS = 8.0


class RecordProducer:
    """Idempotent, acks=all, no linger, one batch of at most 64 KiB in flight per partition.

    Guarantees, for the records of one key given to one producer:
      - They reach the log in the order of send(). When one of them is given up or refused, those of its key
        that wait behind it end with SendNotDoneError.
      - While one client lives, nothing is written twice. Its first failed batch ends it: it is discarded for
        certain, and all that has no acknowledgement goes again, oldest first, through a new one. Only
        then may a record stand in the log twice.
      - A record whose deadline has passed is never handed to Kafka, also not again. One that is already with
        Kafka keeps its future open until the truth is known.

    Outages are waited out on the same futures; `oldest_pending_seconds` tells of them.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        client_id: str,
        max_request_bytes: int = 1_048_576,
        max_pending: int = 10_000,
        max_pending_bytes: int = 64 * 1_048_576,
        batch_spacing_seconds: float = 0.02,
        missing_topic_grace_seconds: float = 10.0,
        stalled_after_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
            batch_spacing_seconds: how far apart the batches of a partition begin under load; 0 where each
                record is waited for, as a request is.

        Raises: KafkaConfigurationError for impossible security settings; nothing is contacted yet.
        """
        self._options: dict[str, Any] = client_options(security) | {
            "bootstrap_servers": bootstrap_servers,
            "client_id": client_id,
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": 0,
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": max_request_bytes,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
        }
        self._max_request_bytes = max_request_bytes
        self._batch_spacing_seconds = batch_spacing_seconds
        self._record_limits: dict[str, int] = {}
        self._stalled_after_seconds = stalled_after_seconds
        self._clock = clock
        self._stopped = False
        self._stalled = False
        self._tasks = Supervisor()
        self._pumps: list[PartitionPump] = []
        self._book = SendBook(max_records=max_pending, max_bytes=max_pending_bytes, clock=clock)
        self._routes = TopicRoutes(self._start_pump)
        self._keeper = SessionKeeper(self._open_session)
        self._finder = TopicFinder(
            keeper=self._keeper,
            routes=self._routes,
            book=self._book,
            missing_grace_seconds=missing_topic_grace_seconds,
            clock=clock,
        )
        self._probe = BrokerProbe(self._ask_a_broker)

    @property
    def pending(self) -> int:
        """How many futures are open."""
        return len(self._book)

    @property
    def oldest_pending_seconds(self) -> float:
        """The age of the oldest open future; 0.0 when none is open."""
        return self._book.oldest_seconds

    async def start(self) -> None:
        """Begin to connect in the background. Returns at once; a broker that is away raises nothing."""
        self._tasks.start("kafka-producer-session", self._keeper.run)
        self._tasks.start("kafka-producer-topics", self._finder.run)
        self._tasks.start("kafka-producer-tick", self._tick)

    async def warm(self, topics: Iterable[str]) -> None:
        """Find out the partitions of these topics in the background, so that the first send need not wait."""
        for topic in topics:
            self._routes.expect(topic)
        self._finder.wanted.set()

    def limit_record_size(self, topic: str, max_bytes: int) -> None:
        """Make the topic's max.message.bytes known: send() refuses larger records, batches stay below."""
        self._record_limits[topic] = max_bytes

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """Take a record; never blocks. Records of one key go out in the order of these calls.

        Args:
            not_after: when it may be handed to Kafka at the latest, on the monotonic clock; a Deadline may be
                pushed forward by its owner as long as the future is open.

        Returns:
            A future that ends with the acknowledgement or with SendNotDoneError (unknown),
            RecordRefusedError or KafkaConfigurationError. Cancelling it does not call the record back.

        Raises:
            RecordTooLargeError, BufferFullError, SendNotDoneError (stopped): the record was not taken.
            KafkaConfigurationError: nor was it if the topic has no such partition.
        """
        if self._stopped:
            raise SendNotDoneError("the producer is stopped")
        size = record_size(record)
        limit = min(self._max_request_bytes, self._record_limits.get(record.topic, self._max_request_bytes))
        if size + BATCH_OVERHEAD_BYTES > limit:
            raise RecordTooLargeError(f"a record of up to {size} bytes exceeds the limit of {limit} bytes")
        self._routes.check(record)
        deadline = not_after if isinstance(not_after, Deadline) else Deadline(not_after)
        pending = self._book.open(record, deadline, size)
        self._routes.add(pending)
        if self._routes.unknown_topics:
            self._finder.wanted.set()
        return pending.future

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Ask a broker for metadata: the only way to see an outage while nothing is sent."""
        return await self._probe.answers(within_seconds)

    async def stop(self, *, within_seconds: float) -> None:
        """Take nothing more, wait for the open futures, then end for certain within 8 s more.

        What is still open ends with SendNotDoneError, and nothing is delivered later.
        """
        self._stopped = True
        try:
            async with asyncio.timeout(within_seconds):
                await self._book.empty.wait()
        except TimeoutError:
            log.warning(
                "kafka_producer_stopped_with_open_sends",
                records=len(self._book),
                action="none if they are kept elsewhere: their outcome is unknown, they are to be sent again",
            )
        await self._probe.close()
        await self._tasks.stop(within_seconds=_DISCARD_SECONDS)
        self._book.fail_all(lambda: SendNotDoneError("the producer was stopped before an acknowledgement"))

    async def _open_session(self) -> ProducerSession:
        return await ProducerSession.open(self._options, self._routes.topics)

    async def _ask_a_broker(self) -> None:
        session = self._keeper.current
        if session is None:
            raise ConnectionError("no session")
        await session.probe()

    def _start_pump(self, at: TopicPartition, queue: SendQueue) -> None:
        pump = PartitionPump(
            at=at,
            queue=queue,
            keeper=self._keeper,
            book=self._book,
            routes=self._routes,
            limit=self._batch_limit,
            spacing_seconds=self._batch_spacing_seconds,
            clock=self._clock,
        )
        self._pumps.append(pump)
        self._tasks.start(f"kafka-producer-{at.topic}-{at.partition}", pump.run)

    def _batch_limit(self, topic: str) -> int:
        return min(_BATCH_BYTES, self._record_limits.get(topic, _BATCH_BYTES))

    def _is_stalled(self) -> bool:
        since = min((p.in_flight_since for p in self._pumps if p.in_flight_since is not None), default=None)
        return since is not None and self._clock() - since > self._stalled_after_seconds

    async def _tick(self) -> None:
        while True:
            self._expire()
            self._follow_metadata()
            self._tell_of_stalls()
            await asyncio.sleep(_TICK_SECONDS)

    def _expire(self) -> None:
        now = self._clock()
        for queue in self._routes.everywhere():
            self._book.fail(queue.expire(now), given_up)

    def _follow_metadata(self) -> None:
        session = self._keeper.current
        for topic in self._routes.topics - self._routes.unknown_topics if session else ():
            partitions = session.partitions_of(topic) if session else []
            if partitions:
                self._book.fail(self._routes.settle(topic, partitions), no_such_partition)
        if self._routes.unknown_topics:
            self._finder.wanted.set()

    def _tell_of_stalls(self) -> None:
        stalled = self._is_stalled()
        if stalled and not self._stalled:
            action = "look at the broker; the records wait and go out when it answers"
            log.warning("kafka_broker_lost", pending=self.pending, action=action)
        elif self._stalled and not stalled:
            log.info("kafka_broker_back", pending=self.pending)
        self._stalled = stalled
