"""Outbox kit: the topics of the events are there, and take the largest of them."""

from collections.abc import Sequence

from kits.kafka.admin import TopicAdmin, TopicDifference, TopicSpec
from kits.kafka.errors import KafkaError
from kits.kafka.producer import RecordProducer
from kits.observability.logs import get_logger
from kits.process.background import PeriodicTask

log = get_logger(__name__)

_RETRY_SECONDS = 5.0


class OutboxTopics:
    """Made if they are missing; what differs is told once, never changed. Tried again while Kafka is away."""

    def __init__(
        self,
        admin: TopicAdmin,
        producer: RecordProducer,
        specs: Sequence[TopicSpec],
        *,
        max_event_bytes: int,
        meanwhile: str,
    ) -> None:
        """Args: meanwhile: what goes on without Kafka, as in "orders are accepted"."""
        self._admin = admin
        self._producer = producer
        self._specs = specs
        self._max_event_bytes = max_event_bytes
        self._meanwhile = meanwhile
        self._are_there = False
        self._told = ""

    @property
    def names(self) -> list[str]:
        """The topics."""
        return [spec.name for spec in self._specs]

    async def run(self) -> None:
        """Look every five seconds, until they are there."""
        await PeriodicTask(self.ensure, interval_seconds=_RETRY_SECONDS).run()

    async def ensure(self) -> None:
        """Look once, unless they are known to be there. Never raises for a fault of Kafka."""
        if self._are_there:
            return
        try:
            differences = await self._admin.ensure_topics(self._specs)
            limits = {name: await self._admin.topic_limit(name) for name in self.names}
        except KafkaError as error:
            self._tell_once(error)
            return
        self._are_there = True
        for topic, limit in limits.items():
            self._producer.limit_record_size(topic, limit)
            if limit < self._max_event_bytes:
                differences.append(self._too_small(topic, limit))
        for difference in differences:
            log.warning("topic_differs", difference=difference.sentence, action=difference.action)
        for topic in limits:
            log.info("topic_ready", topic=topic)

    def _too_small(self, topic: str, limit: int) -> TopicDifference:
        expected = f"expected {self._max_event_bytes} or more"
        sentence = f"Topic {topic} has max.message.bytes={limit}, {expected}."
        change = f"--add-config max.message.bytes={self._max_event_bytes}"
        return TopicDifference(sentence, f"kafka-configs.sh --alter --topic {topic} {change}")

    def _tell_once(self, error: KafkaError) -> None:
        """It is asked again every five seconds, and told only when the reason is another one."""
        if (why := str(error)) == self._told:
            return
        self._told = why
        action = f"none if Kafka comes back, else change what it names; {self._meanwhile} meanwhile"
        topics = ", ".join(self.names)
        log.warning("topic_not_checked", topic=topics, code=error.code, why=why, action=action)
