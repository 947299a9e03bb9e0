"""Request-reply, topics: those of requests, replies and dead letters are made if they are missing."""

from collections.abc import Iterable

from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.group_survey import GroupSurvey
from kits.observability.logs import get_logger
from kits.rpc.answers import REPLY_SUFFIX
from kits.rpc.event_retries import dead_letter_topic
from kits.rpc.handlers import RpcHandler

log = get_logger(__name__)
_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
REQUEST_PARTITIONS = 3
REPLY_PARTITIONS = 12


def reply_topic(client_id: str) -> str:
    """Where the instances of a client read their replies."""
    return client_id + REPLY_SUFFIX


def request_spec(topic: str) -> TopicSpec:
    """Kept for an hour: no request is older than a minute when it is carried out."""
    return TopicSpec(topic, REQUEST_PARTITIONS, config=_kept_for(60 * _MINUTE_MS))


def event_spec(topic: str) -> TopicSpec:
    """Kept for a week."""
    return TopicSpec(topic, REQUEST_PARTITIONS, config=_kept_for(7 * _DAY_MS))


def reply_spec(client_id: str) -> TopicSpec:
    """Kept for ten minutes."""
    return TopicSpec(reply_topic(client_id), REPLY_PARTITIONS, config=_kept_for(10 * _MINUTE_MS))


def handled_specs(handlers: Iterable[RpcHandler], group: str) -> list[TopicSpec]:
    """The topics of a server: its requests, its events, and the dead letters of these."""
    specs: list[TopicSpec] = []
    for handler in handlers:
        specs.append(event_spec(handler.topic) if handler.is_event else request_spec(handler.topic))
        if handler.is_event:
            letters = dead_letter_topic(handler.topic, group)
            specs.append(
                TopicSpec(letters, REQUEST_PARTITIONS, like=handler.topic, config=_kept_for(30 * _DAY_MS))
            )
    return specs


def _kept_for(retention_ms: int) -> dict[str, str]:
    # A segment in use is never deleted: without its own bound a busy topic keeps its first record for longer.
    return {
        "retention.ms": str(retention_ms),
        "segment.ms": str(retention_ms // 3),
        "message.timestamp.type": "LogAppendTime",
    }


class RpcTopics:
    """NeededTopics. What differs is logged once, never changed."""

    def __init__(self, admin: TopicAdmin, specs: Iterable[TopicSpec]) -> None:
        self._admin = admin
        self._specs = list(specs)
        self._told: set[str] = set()

    async def ensure(self) -> None:
        """See NeededTopics. They are looked for each time: somebody may have deleted one."""
        for difference in await self._admin.ensure_topics(self._specs):
            if difference.sentence not in self._told:
                self._told.add(difference.sentence)
                log.warning("topic_differs", difference=difference.sentence, action=difference.action)


class GroupRivals:
    """server.Rivals: two groups on one request topic would both carry out each request."""

    def __init__(self, survey: GroupSurvey, group: str, handlers: Iterable[RpcHandler]) -> None:
        self._survey = survey
        self._group = group
        self._requests = frozenset(each.topic for each in handlers if not each.is_event)

    async def refuse(self) -> None:
        """See Rivals. Without the right to look at groups, or the time, it is not found out."""
        try:
            readers = await self._survey.readers_of(self._requests)
        except (KafkaConfigurationError, KafkaUnavailableError) as error:
            # Thousands of groups take longer than the bound; that is no reason to serve nobody.
            log.info("rpc_rivals_not_known", reason=str(error))
            return
        for topic, groups in sorted(readers.items()):
            if others := sorted(groups - {self._group}):
                raise KafkaConfigurationError(
                    f"the group {others[0]} serves {topic} too, and each request would be carried out twice:"
                    f" stop it, or start this process in that group"
                )
