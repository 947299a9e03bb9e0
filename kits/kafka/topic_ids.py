"""Kafka kit: which topic stands behind a name; one that was deleted and made anew has another id."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka import errors as client
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from kits.kafka.connections import Connections

_NO_ID = UUID(int=0)
_TEXT = CompactString()
_TAGS = ("tags", TaggedFields)


class _Uuid(AbstractType):  # type: ignore[misc]  # the client has no types
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_NODE = ("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS
_REPLICAS = [(name, CompactArray(Int32)) for name in ("replicas", "isr", "offline_replicas")]
_PARTITION = (
    ("error_code", Int16), ("partition", Int32), ("leader", Int32), ("epoch", Int32), *_REPLICAS, _TAGS,
)  # fmt: skip
_TOPIC = (
    ("error_code", Int16), ("name", _TEXT), ("topic_id", _Uuid), ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)), ("authorized_operations", Int32), _TAGS,
)  # fmt: skip


class _TopicIdsResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("brokers", CompactArray(*_NODE)), ("cluster_id", _TEXT),
        ("controller_id", Int32), ("topics", CompactArray(*_TOPIC)), ("authorized_operations", Int32), _TAGS,
    )  # fmt: skip


class _TopicIdsRequestStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)), ("may_create", Boolean),
        ("with_cluster_operations", Boolean), ("with_topic_operations", Boolean), _TAGS,
    )  # fmt: skip


class _TopicIdsRequest(Request[_TopicIdsRequestStruct]):  # type: ignore[misc]
    """Metadata, version 10 (KIP-516): the first with topic ids, and newer than what the client speaks."""

    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(_NO_ID, topic, {}) for topic in topics]

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(self._topics, *[False] * 3, {})


async def topic_ids(connections: Connections, topics: Iterable[str]) -> dict[str, UUID]:
    """The id of each topic; one that is not there is left out.

    Raises:
        aiokafka.errors.KafkaError: no answer, or no right to see a topic.
    """
    answer = await connections.send_to_any(_TopicIdsRequest(topics))
    found: dict[str, UUID] = {}
    for code, name, topic_id, *_ in answer.topics:
        if code == client.TopicAuthorizationFailedError.errno:
            raise client.TopicAuthorizationFailedError(name)
        if code == 0:
            found[name] = topic_id
    return found
