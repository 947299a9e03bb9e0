"""Outbox: the topic of the events is there, and takes the largest of them."""

from contracts.topics import ORDER_EVENTS, TOPIC_CONFIG
from kits.kafka.admin import TopicAdmin, TopicDifference, TopicSpec
from kits.kafka.errors import KafkaError
from kits.kafka.producer import RecordProducer
from kits.observability.logs import get_logger
from kits.process.background import PeriodicTask

log = get_logger(__name__)

_RETRY_SECONDS = 5.0


class OutboxTopic:
    """Made if it is missing; what differs is told once, never changed. Tried again while Kafka is away."""

    def __init__(
        self, admin: TopicAdmin, producer: RecordProducer, *, partitions: int, max_event_bytes: int
    ) -> None:
        self._admin = admin
        self._producer = producer
        self._spec = TopicSpec(ORDER_EVENTS, partitions, config=TOPIC_CONFIG)
        self._max_event_bytes = max_event_bytes
        self._is_there = False
        self._told = ""

    async def run(self) -> None:
        """Look every five seconds, until it is there."""
        await PeriodicTask(self.ensure, interval_seconds=_RETRY_SECONDS).run()

    async def ensure(self) -> None:
        """Look once, unless it is known to be there. Never raises for a fault of Kafka."""
        if self._is_there:
            return
        try:
            differences = await self._admin.ensure_topics([self._spec])
            limit = await self._admin.topic_limit(ORDER_EVENTS)
        except KafkaError as error:
            self._tell_once(error)
            return
        self._is_there = True
        self._producer.limit_record_size(ORDER_EVENTS, limit)
        if limit < self._max_event_bytes:
            expected = f"expected {self._max_event_bytes} or more"
            sentence = f"Topic {ORDER_EVENTS} has max.message.bytes={limit}, {expected}."
            change = f"--add-config max.message.bytes={self._max_event_bytes}"
            action = f"kafka-configs.sh --alter --topic {ORDER_EVENTS} {change}"
            differences.append(TopicDifference(sentence, action))
        for difference in differences:
            log.warning("topic_differs", difference=difference.sentence, action=difference.action)
        log.info("topic_ready", topic=ORDER_EVENTS)

    def _tell_once(self, error: KafkaError) -> None:
        """It is asked again every five seconds, and told only when the reason is another one."""
        if (why := str(error)) == self._told:
            return
        self._told = why
        action = "none if Kafka comes back, else change what it names; orders are accepted meanwhile"
        log.warning("topic_not_checked", topic=ORDER_EVENTS, code=error.code, why=why, action=action)
