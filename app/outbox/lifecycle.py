"""Outbox: starts and stops everything between commit and Kafka, in order."""

from collections.abc import Sequence

from app.outbox.health import BacklogMeter
from app.outbox.relay import OutboxRelay
from app.outbox.retention import OutboxRetention
from app.outbox.write_back import WriteBack
from contracts.topics import ORDER_EVENTS, ORDER_EVENTS_PARTITIONS, TOPIC_CONFIG
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaError
from kits.kafka.producer import RecordProducer
from kits.observability.logs import get_logger
from kits.resilience.background import PeriodicTask, Supervisor

log = get_logger(__name__)

_TOPIC = TopicSpec(
    name=ORDER_EVENTS,
    partitions=ORDER_EVENTS_PARTITIONS,
    config=TOPIC_CONFIG,
)
_TOPIC_RETRY_SECONDS = 5.0


class OutboxLifecycle:
    """Kafka may be away at the start and at the end: neither waits for it longer than its bound."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        producer: RecordProducer,
        admin: TopicAdmin,
        write_back: WriteBack,
        relay: OutboxRelay,
        meter: BacklogMeter,
        retention: OutboxRetention,
        max_event_bytes: int,
    ) -> None:
        self._supervisor = supervisor
        self._producer = producer
        self._admin = admin
        self._write_back = write_back
        self._background: Sequence[tuple[str, WriteBack | OutboxRelay | BacklogMeter | OutboxRetention]] = (
            ("outbox-write-back", write_back),
            ("outbox-relay", relay),
            ("outbox-meter", meter),
            ("outbox-retention", retention),
        )
        self._max_event_bytes = max_event_bytes
        self._topic_is_there = False
        self._told = ""

    async def start(self) -> None:
        """Start the producer and the background tasks; returns at once, whether Kafka is there or not."""
        await self._producer.start()
        await self._producer.warm([ORDER_EVENTS])
        for name, task in self._background:
            self._supervisor.start(name, task.run)
        topic = PeriodicTask(self._ensure_topic, interval_seconds=_TOPIC_RETRY_SECONDS)
        self._supervisor.start("outbox-topic", topic.run)

    async def stop(self, *, within_seconds: float = 5.0) -> None:
        """Stop claiming, let pending sends end, write their answers back, give the rest free."""
        await self._supervisor.stop()
        await self._producer.stop(within_seconds=within_seconds)
        await self._write_back.flush(within_seconds=within_seconds)

    async def _ensure_topic(self) -> None:
        if self._topic_is_there:
            return
        try:
            differences = await self._admin.ensure_topics([_TOPIC])
            limit = await self._admin.topic_limit(ORDER_EVENTS)
        except KafkaError as error:
            self._tell_once(error)
            return
        self._topic_is_there = True
        self._producer.limit_record_size(ORDER_EVENTS, limit)
        if limit < self._max_event_bytes:
            differences.append(
                f"Topic {ORDER_EVENTS} has max.message.bytes={limit},"
                f" expected {self._max_event_bytes} or more."
            )
        for difference in differences:
            log.warning("topic_differs", topic=ORDER_EVENTS, difference=difference, action="change the topic")
        log.info("topic_ready", topic=ORDER_EVENTS)

    def _tell_once(self, error: KafkaError) -> None:
        """It is asked again every five seconds, and told only when the reason is another one."""
        if (why := str(error)) == self._told:
            return
        self._told = why
        action = "none if Kafka comes back, else change what it names; orders are accepted meanwhile"
        log.warning("topic_not_checked", topic=ORDER_EVENTS, code=error.code, why=why, action=action)
