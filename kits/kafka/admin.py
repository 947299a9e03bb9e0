"""Kafka kit, administration: topics are made if they are missing, and what differs is told, never changed."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from aiokafka import errors as client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_admin
from kits.kafka.errors import KafkaConfigurationError
from kits.kafka.failures import translated
from kits.kafka.internals import start_client
from kits.kafka.security import KafkaSecurity, asking_options
from kits.observability.logs import get_logger

log = get_logger(__name__)

_BROKER_DEFAULT = -1
_MANY_REPLICAS = 3
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. Without a replication factor the broker's default counts.

    More `partitions` than these are as good. `like` names another topic whose number counts instead, if that
    topic is there.
    Where there are three replicas or more, min.insync.replicas is 2 unless `config` says otherwise.
    """

    name: str
    partitions: int
    like: str = ""
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def config_for(self, replicas: int) -> dict[str, str]:
        """The settings that the topic should have with that many replicas."""
        safe = {"min.insync.replicas": "2"} if replicas >= _MANY_REPLICAS else {}
        return safe | dict(self.config)


class TopicDifference(NamedTuple):
    """How a topic differs from its spec, in a sentence, and what can be done about it."""

    sentence: str
    action: str


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replicas: int


class TopicAdmin:
    """Every call opens a connection of its own and ends within `within_seconds` (and some seconds to close).

    Raises, from every call:
        KafkaUnavailableError: no broker answered in time.
        KafkaConfigurationError: a right is missing, or the broker finds the request impossible.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        client_id: str,
        within_seconds: float = 10.0,
    ) -> None:
        self._options = asking_options(bootstrap_servers, security, client_id, within_seconds)
        self._within_seconds = within_seconds

    async def ensure_topics(self, wanted: Sequence[TopicSpec]) -> list[TopicDifference]:
        """Create what is missing and wait until it can be used. Returns what differs from its spec."""
        async with self._connected("making sure of the topics") as admin:
            found = await _describe(admin, [spec.name for spec in wanted])
            specs = [
                replace(spec, partitions=found[spec.like].partitions) if spec.like in found else spec
                for spec in wanted
            ]
            if missing := [spec for spec in specs if spec.name not in found]:
                await _create(admin, missing)
                await _led(admin, [spec.name for spec in missing])
            differences: list[TopicDifference] = []
            for spec in specs:
                if spec.name in found:
                    differences += await _differences(admin, spec, found[spec.name])
            return differences

    async def topic_limit(self, topic: str) -> int:
        """The topic's max.message.bytes: the largest record batch that it takes."""
        async with self._connected(f"reading the settings of {topic}") as admin:
            settings = await _settings(admin, ConfigResourceType.TOPIC, topic, ["max.message.bytes"])
            return int(settings["max.message.bytes"])

    async def offsets_retention_minutes(self) -> int:
        """For how long the brokers remember the offsets of an idle group (offsets.retention.minutes)."""
        async with self._connected("reading the settings of a broker") as admin:
            name = "offsets.retention.minutes"
            return int(
                (await _settings(admin, ConfigResourceType.BROKER, await _a_broker(admin), [name]))[name]
            )

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics; one that does not exist is fine."""
        async with self._connected("deleting topics") as admin:
            answer = await admin.delete_topics(list(topics))
            for topic, code in answer.topic_error_codes:
                _check(code, f"deleting topic {topic}", accepted=(client.UnknownTopicOrPartitionError,))

    def _connected(self, doing: str) -> AbstractAsyncContextManager[AIOKafkaAdminClient]:
        return admin_connection(self._options, doing, within_seconds=self._within_seconds)


@asynccontextmanager
async def admin_connection(
    options: Mapping[str, Any], doing: str, *, within_seconds: float
) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connection for administration; the block has to end in time too.

    Raises:
        KafkaUnavailableError, KafkaConfigurationError: saying what was being done.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        async with asyncio.timeout(within_seconds):
            await start_client(admin)
            yield admin
    except (client.KafkaError, OSError, ValueError, TimeoutError) as error:
        raise await explained(error, doing, options) from error
    finally:
        await end_admin(admin)


async def _describe(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for topic in await admin.describe_topics(topics):
        absent = (client.UnknownTopicOrPartitionError,)
        _check(topic["error_code"], f"looking at topic {topic['topic']}", accepted=absent)
        if partitions := topic["partitions"]:
            found[topic["topic"]] = _Found(len(partitions), min(len(p["replicas"]) for p in partitions))
    return found


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    by_default = (
        await _default_replicas(admin) if any(not spec.replication_factor for spec in specs) else None
    )
    topics: list[NewTopic] = []
    for spec in specs:
        replicas = spec.replication_factor or by_default
        new = NewTopic(
            spec.name, spec.partitions, replicas or 1, topic_configs=spec.config_for(replicas or 1)
        )
        # The client's constructor refuses the number that means "as the broker likes", the request does not.
        new.replication_factor = replicas or _BROKER_DEFAULT
        topics.append(new)
    answer = await admin.create_topics(topics)
    for topic, code, message in answer.topic_errors:
        # Another process may have been faster.
        doing = f"creating topic {topic} ({message})" if message else f"creating topic {topic}"
        _check(code, doing, accepted=(client.TopicAlreadyExistsError,))
    made = [f"{spec.name} ({spec.partitions})" for spec in specs]
    log.info("kafka_topics_created", topics=made, replicas=by_default)


async def _led(admin: AIOKafkaAdminClient, topics: list[str]) -> None:
    """Wait until the brokers know who leads each partition: whoever asks earlier is told of no such topic."""
    while True:
        described = await admin.describe_topics(topics)
        leaders = [
            partition["leader"]
            for topic in described
            for partition in topic["partitions"] or [{"leader": -1}]
        ]
        if all(leader >= 0 for leader in leaders):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _default_replicas(admin: AIOKafkaAdminClient) -> int | None:
    name = "default.replication.factor"
    try:
        settings = await _settings(admin, ConfigResourceType.BROKER, await _a_broker(admin), [name])
    except KafkaConfigurationError:
        # No right to read it; the broker applies it by itself.
        return None
    return int(settings[name])


async def _a_broker(admin: AIOKafkaAdminClient) -> str:
    return str((await admin.describe_cluster())["brokers"][0]["node_id"])


async def _differences(admin: AIOKafkaAdminClient, spec: TopicSpec, found: _Found) -> list[TopicDifference]:
    name = spec.name
    told: list[TopicDifference] = []
    if found.partitions < spec.partitions:
        sentence = f"Topic {name} has {found.partitions} partitions, expected {spec.partitions} or more."
        add = f"kafka-topics.sh --alter --topic {name} --partitions {spec.partitions}"
        action = f"expect {found.partitions}, or, while nothing is under way (keys will move): {add}"
        told.append(TopicDifference(sentence, action))
    if spec.replication_factor and found.replicas != spec.replication_factor:
        sentence = f"Topic {name} has {found.replicas} replicas, expected {spec.replication_factor}."
        told.append(TopicDifference(sentence, "change it with kafka-reassign-partitions.sh"))
    wanted = spec.config_for(found.replicas)
    try:
        settings = await _settings(admin, ConfigResourceType.TOPIC, name, list(wanted))
    except KafkaConfigurationError as error:
        sentence = f"The settings of topic {name} cannot be compared: {error}."
        return [*told, TopicDifference(sentence, "grant DescribeConfigs, or compare them by hand")]
    for key, expected in wanted.items():
        if settings.get(key) != expected:
            actual = settings.get(key, "not known to the broker")
            change = f"kafka-configs.sh --alter --topic {name} --add-config {key}={expected}"
            sentence = f"Topic {name} has {key}={actual}, expected {expected}."
            told.append(TopicDifference(sentence, f"keep it knowingly, or {change}"))
    return told


async def _settings(
    admin: AIOKafkaAdminClient, kind: ConfigResourceType, resource: str, names: list[str]
) -> dict[str, str]:
    if not names:
        return {}
    # The names must be keys of a dict; a list fails inside the client.
    answers: list[Any] = await admin.describe_configs(
        [ConfigResource(kind, resource, configs=dict.fromkeys(names))]
    )
    found: dict[str, str] = {}
    for answer in answers:
        for code, message, _kind, _resource, entries in answer.resources:
            _check(code, f"reading the settings of {resource} ({message})")
            found |= {entry[0]: entry[1] for entry in entries}
    return found


def _check(code: int, doing: str, *, accepted: tuple[type[Exception], ...] = ()) -> None:
    # The client raises nothing for what the broker refused: the codes in the answers have to be read.
    kind = client.for_code(code)
    if code and not issubclass(kind, accepted):
        raise translated(kind(), doing)
