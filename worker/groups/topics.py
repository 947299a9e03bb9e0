"""Consumer groups: their topics are made if they are missing; what differs is reported at the start."""

from collections.abc import Sequence

from contracts.member_events import (
    MEMBER_TOPIC_CONFIG,
    MEMBER_TOPIC_PARTITIONS,
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
)
from contracts.topics import TOPIC_CONFIG
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaConfigurationError
from kits.observability.logs import get_logger

log = get_logger(__name__)

DLQ_RECORD_BYTES = 2 * 1_048_576
"""A copy is larger than its event: it has more headers."""


class GroupTopics:
    """worker.group.Topics: made if they are missing; what differs is reported once."""

    def __init__(self, admin: TopicAdmin, specs: Sequence[TopicSpec]) -> None:
        self._admin = admin
        self._specs = specs
        self._checked = False

    async def ensure(self) -> None:
        """Do it once. Raises: KafkaUnavailableError: not done yet, try again."""
        if self._checked:
            return
        try:
            for difference in await self._admin.ensure_topics(self._specs):
                log.warning("topic_differs", difference=difference.sentence, action=difference.action)
        except KafkaConfigurationError as error:
            action = "grant Describe, DescribeConfigs and Create, or make the topics by hand"
            log.warning("topics_not_checked", error=str(error), action=action)
        self._checked = True


def order_topics(order_events: str, dead_letters: str, partitions: int) -> list[TopicSpec]:
    """The topics as they should be; partitions alike, so that a key has the same number in both."""
    larger = {**TOPIC_CONFIG, "max.message.bytes": str(DLQ_RECORD_BYTES)}
    return [
        TopicSpec(order_events, partitions, config=TOPIC_CONFIG),
        TopicSpec(dead_letters, partitions, like=order_events, config=larger),
    ]


def member_event(version: int) -> str:
    """The members' event of this version; its topic has the same name."""
    return MEMBER_UPDATED_V1 if version == 1 else MEMBER_UPDATED_V2


def member_topics(topic: str) -> list[TopicSpec]:
    """The topic as its writer makes it."""
    return [TopicSpec(topic, MEMBER_TOPIC_PARTITIONS, config=MEMBER_TOPIC_CONFIG)]
