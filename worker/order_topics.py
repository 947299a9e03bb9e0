"""Topics: those of the group are made if they are missing; what differs is reported at the start."""

from collections.abc import Sequence

from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaConfigurationError
from kits.observability.logs import get_logger

log = get_logger(__name__)

_OFFSETS_RETENTION_MINUTES = 43_200
"""30 days: the brokers must not forget where an idle group stands while the events are still there."""


class OrderTopics:
    """The topics of the group: made if they are missing; what differs is reported once."""

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
        await self._check_offsets_retention()
        self._checked = True

    async def _check_offsets_retention(self) -> None:
        wanted = f"offsets.retention.minutes={_OFFSETS_RETENTION_MINUTES}"
        try:
            minutes = await self._admin.offsets_retention_minutes()
        except KafkaConfigurationError as error:
            action = (
                f"make sure that the brokers have {wanted} or more, or grant DescribeConfigs on the cluster"
            )
            log.info("offsets_retention_not_checked", error=str(error), action=action)
            return
        if minutes < _OFFSETS_RETENTION_MINUTES:
            action = f"set {wanted} on the brokers"
            log.warning("offsets_retention_short", minutes=minutes, action=action)
