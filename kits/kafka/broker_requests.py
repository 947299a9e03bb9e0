"""Kafka kit: single requests about groups and logs, read strictly: the client passes over error codes."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from aiokafka import errors as client
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.offset import OffsetRequest

from kits.kafka.client_values import in_client
from kits.kafka.connections import Connections
from kits.kafka.records import TopicPartition

LATEST, EARLIEST = -1, -2
UNCOMMITTED, COMMITTED = 0, 1
_GROUP = 0
_NO_SUCH_GROUP = 69
_CONSUMER = -1
_COORDINATOR_SECONDS = 0.2
_NO_COORDINATOR = (
    client.GroupCoordinatorNotAvailableError,
    client.NotCoordinatorForGroupError,
    client.GroupLoadInProgressError,
)
_MOVED = (client.NotLeaderForPartitionError, client.LeaderNotAvailableError)


class GroupMember(NamedTuple):
    """A living member of a group; one that was killed lives until its session has run out."""

    client_id: str
    host: str


async def partitions_of(connections: Connections, topics: Collection[str]) -> list[TopicPartition]:
    """The partitions of these topics now; a topic that is not there has none.

    Raises, here and below: aiokafka.errors.KafkaError: no answer, or no right.
    """
    await connections.know(set(topics))
    cluster = connections.cluster
    if hidden := cluster.unauthorized_topics & set(topics):
        raise client.TopicAuthorizationFailedError(", ".join(sorted(hidden)))
    return [
        TopicPartition(topic, number)
        for topic in sorted(topics)
        for number in sorted(cluster.partitions_for_topic(topic) or ())
    ]


async def list_offsets(
    connections: Connections, partitions: Iterable[TopicPartition], when: int, isolation: int = COMMITTED
) -> dict[TopicPartition, int]:
    """LATEST, EARLIEST or the first offset at or after a time (in ms; -1: there is none).

    A partition without a leader is left out.
    """
    asked: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for at in partitions:
        leader = connections.cluster.leader_for_partition(in_client(at))
        if leader is not None and leader != -1:
            asked[leader][at.topic].append((at.partition, when))
    found: dict[TopicPartition, int] = {}
    for leader, topics in asked.items():
        answer = await connections.send(leader, OffsetRequest(_CONSUMER, isolation, list(topics.items())))
        for topic, answers in answer.topics:
            for partition, code, *_, offset in answers:
                _check(code, topic, passed=_MOVED)
                if not code:
                    found[TopicPartition(topic, partition)] = offset
    return found


async def committed_of(connections: Connections, group: str) -> dict[TopicPartition, int]:
    """What the group has committed, the next offsets to be read; none where it has not."""
    answer = await _ask_coordinator(connections, group, OffsetFetchRequest(group, None))
    found: dict[TopicPartition, int] = {}
    for topic, answers in answer.topics:
        for partition, offset, _metadata, code in answers:
            _check(code, topic)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = offset
    return found


async def members_of(connections: Connections, group: str) -> tuple[GroupMember, ...]:
    """The living members of the group."""
    answer = await _ask_coordinator(connections, group, DescribeGroupsRequest([group]))
    ((_code, _group, _state, _type, _protocol, members, *_),) = answer.groups
    return tuple([GroupMember(client_id, host) for _id, client_id, host, *_ in members])


async def _ask_coordinator(connections: Connections, group: str, request: Any) -> Any:
    """Waits, however long, while the brokers choose one: at the first use of a group, after a restart."""
    while True:
        found = await connections.send_to_any(FindCoordinatorRequest(group, _GROUP))
        answer, code = found, found.error_code
        if not code:
            answer = await connections.send(found.coordinator_id, request)
            code = answer.groups[0][0] if isinstance(request, DescribeGroupsRequest) else answer.error_code
        if client.for_code(code) not in _NO_COORDINATOR:
            if code != _NO_SUCH_GROUP:
                _check(code, group)
            return answer
        await asyncio.sleep(_COORDINATOR_SECONDS)


def _check(code: int, what: str, *, passed: tuple[type[Exception], ...] = ()) -> None:
    kind = client.for_code(code)
    if code and not issubclass(kind, passed):
        raise kind(what)
