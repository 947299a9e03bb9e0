"""Contract: what is told of a member on the wire, in two versions beside each other, each in its topic."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

import msgspec

from contracts.envelope import Id, UnreadableEventError, repeated_member
from kits.patterns import whole
from kits.wire_time import wire_time

MEMBER_UPDATED_V1 = "member.updated.v1"
"""Topic and `ce_type` of the former version: one name. Kafka's key is the member's id as text."""
MEMBER_UPDATED_V2 = "member.updated.v2"
"""Topic and `ce_type` of the version in force: two names. Kafka's key is the member's id as text."""
MEMBER_TOPIC_PARTITIONS = 3
MEMBER_TOPIC_CONFIG: Mapping[str, str] = {
    # The newest event of every member stays for ever: a reader makes its copy from the topic alone.
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
}
"""How both topics are created."""

SOURCE = "/order-pipeline/members"
MAX_NAME = 100
"""Characters of a first or a last name, at most."""
_CONSTANT_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/json"),
)
NAME_PATTERN = whole(r"[^\x00-\x1f\x7f-\x9f]*")
"""A name may have every character but the control characters."""

Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="Grows by one with every change.")]
# What we write is narrower than what we read: how long a name may be is the writer's rule.
NamePart = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, extra_json_schema={"maxLength": MAX_NAME})]
FullName = Annotated[
    str, msgspec.Meta(pattern=NAME_PATTERN, extra_json_schema={"minLength": 1, "maxLength": 2 * MAX_NAME + 1})
]


class MemberUpdatedV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A member is new or has another name; `name` follows from version 2 by full_name()."""

    member_id: Id
    name: FullName
    version: Version


class MemberUpdatedV2(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A member is new or has another name; one of the two may be empty, never both."""

    member_id: Id
    first_name: NamePart
    last_name: NamePart
    version: Version


MemberEvent = MemberUpdatedV1 | MemberUpdatedV2
SCHEMAS: dict[str, type[MemberEvent]] = {
    MEMBER_UPDATED_V1: MemberUpdatedV1,
    MEMBER_UPDATED_V2: MemberUpdatedV2,
}
"""Every event on the wire by topic, which is its `ce_type` too."""


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader knows of a member after an event, whichever version told it."""

    member_id: str
    name: str
    version: int
    changed_at: datetime | None
    """When the change was committed, by the writer's database; None: the headers do not say it."""


def full_name(first_name: str, last_name: str) -> str:
    """The one name of version 1: the last name, a space, the first name; an empty one leaves no space."""
    return f"{last_name} {first_name}" if first_name and last_name else last_name or first_name


def event_id(ce_type: str, member_id: str, version: int) -> str:
    """The id of an event: the same however often it is made anew from the member."""
    return str(uuid5(NAMESPACE_URL, f"{ce_type}/{member_id}/{version}"))


_encoder = msgspec.json.Encoder()


def encode(event: MemberEvent) -> bytes:
    """The event's final bytes: JSON, camelCase, UTF-8, fields in the order of the struct."""
    return _encoder.encode(event)


def headers_of(
    ce_type: str, ce_id: str, member_id: str, *, changed_at: datetime, traceparent: str = ""
) -> tuple[tuple[str, bytes], ...]:
    """The Kafka headers of an event: CloudEvents 1.0 Kafka binding (binary mode), plus `traceparent`."""
    headers = (
        *_CONSTANT_HEADERS,
        ("ce_id", ce_id.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_time", wire_time(changed_at).encode()),
        ("ce_subject", member_id.encode()),
    )
    return (*headers, ("traceparent", traceparent.encode())) if traceparent else headers


_decoders = {topic: msgspec.json.Decoder(event) for topic, event in SCHEMAS.items()}


def read_member_event(topic: str, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> MemberState:
    """Read a record of one of the two topics; fields and headers that are not known are ignored.

    Raises:
        UnreadableEventError: its code is `empty_value`, `undecodable_value`, `repeated_member` or
            `contradicting_headers`.
        KeyError: no such topic.
    """
    if value is None:
        raise UnreadableEventError("empty_value", "The record has no value.")
    try:
        event = _decoders[topic].decode(value)
        repeated = repeated_member(value)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnreadableEventError("undecodable_value", f"Not a member's event: {error}") from error
    if repeated:
        reason = f"The member {repeated!r} stands twice: which one counts differs from reader to reader."
        raise UnreadableEventError("repeated_member", reason)
    changed_at = b""
    expected = {"ce_type": topic.encode(), "ce_subject": event.member_id.encode()}
    for name, content in headers:
        if expected.get(name, content) != content:
            raise UnreadableEventError("contradicting_headers", f"Header {name} contradicts the record.")
        changed_at = content if name == "ce_time" else changed_at
    return MemberState(
        member_id=event.member_id,
        name=_name_of(event),
        version=event.version,
        changed_at=_moment(changed_at),
    )


def _name_of(event: MemberEvent) -> str:
    if isinstance(event, MemberUpdatedV1):
        return event.name
    return full_name(event.first_name, event.last_name)


def _moment(text: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
