"""Contract: what every event has, as a message for Kafka and as CloudEvents headers (binary mode)."""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from kits.patterns import whole
from kits.wire_time import wire_time

SOURCE = "/order-pipeline/orders"
_CONSTANT_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/json"),
)
MAJOR_VERSIONS = frozenset({1})
"""The versions that readers of this build understand; any other is a dead letter."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=whole("[!-~]+"))]
# What we write is narrower than what we read: a reader that only forwards has no use for the rest.
Uuid = Annotated[Id, msgspec.Meta(extra_json_schema={"format": "uuid"})]
_TIME_FORM = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$"
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time", "pattern": _TIME_FORM})]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields that every event carries; readers ignore what they do not know."""

    event_id: Uuid
    event_type: Id
    event_version: int
    order_id: Uuid
    seq: Seq
    occurred_at: Time


class EventMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An event in its final form: what the outbox stores and what goes to Kafka, byte for byte."""

    event_id: str
    aggregate_type: str
    aggregate_id: str
    seq: int
    event_type: str
    event_version: int
    occurred_at: datetime
    topic: str
    payload: bytes
    traceparent: str

    @property
    def key(self) -> bytes:
        """The Kafka key: one aggregate, one partition."""
        return self.aggregate_id.encode()


class UnreadableEventError(Exception):
    """The record cannot be understood, now or later: it is a dead letter, not a fault of the moment."""

    code = "unreadable_event"

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


def headers_of(message: EventMessage) -> tuple[tuple[str, bytes], ...]:
    """The Kafka headers of a message: CloudEvents 1.0 Kafka binding, plus `order_seq` and `traceparent`."""
    headers = (
        *_CONSTANT_HEADERS,
        ("ce_id", message.event_id.encode()),
        ("ce_type", _kind(message.event_type, message.event_version)),
        ("ce_time", wire_time(message.occurred_at).encode()),
        ("ce_subject", message.key),
        ("order_seq", str(message.seq).encode()),
    )
    return (*headers, ("traceparent", message.traceparent.encode())) if message.traceparent else headers


@lru_cache(maxsize=64)
def _kind(event_type: str, version: int) -> bytes:
    return f"{event_type}.v{version}".encode()


_decoder = msgspec.json.Decoder(Envelope)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Numbers stay texts: they do not matter here, and Python would refuse very long ones.
_pairs = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


def read_envelope(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """Read the envelope of a record; an unknown event type of a known version is fine.

    Raises:
        UnreadableEventError: its code is `empty_value`, `undecodable_value`, `repeated_member`,
            `unknown_version` or `contradicting_headers`.
    """
    if value is None:
        raise UnreadableEventError("empty_value", "The record has no value.")
    try:
        envelope = _decoder.decode(value)
        repeated = repeated_member(value)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnreadableEventError("undecodable_value", f"Not an event: {error}") from error
    if repeated:
        reason = f"The member {repeated!r} stands twice: which one counts differs from reader to reader."
        raise UnreadableEventError("repeated_member", reason)
    if envelope.event_version not in MAJOR_VERSIONS:
        raise UnreadableEventError("unknown_version", f"Event version {envelope.event_version} is not known.")
    _require_agreement(envelope, headers)
    return envelope


def repeated_member(value: bytes) -> str:
    """The name of a member of the outermost object that stands twice; "" if there is none.

    Decoding keeps one member of each name, and encoding again makes nothing longer: where as many bytes come
    out as went in, nothing was dropped.
    """
    if len(msgspec.json.encode(_members.decode(value))) == len(value):
        return ""
    names = [name for name, _ in _pairs.decode(value.decode())]
    return next((name for place, name in enumerate(names) if name in names[:place]), "")


def _require_agreement(envelope: Envelope, headers: Iterable[tuple[str, bytes]]) -> None:
    expected = {
        "ce_id": envelope.event_id.encode(),
        "ce_type": _kind(envelope.event_type, envelope.event_version),
        "ce_subject": envelope.order_id.encode(),
        "order_seq": b"%d" % envelope.seq,
    }
    for name, content in headers:
        if expected.get(name, content) != content:
            raise UnreadableEventError("contradicting_headers", f"Header {name} contradicts the body.")
