"""Inbox, rule: what a record of the topic is: an event, or bytes of which none can be made."""

from collections.abc import Mapping
from uuid import UUID, uuid5

import msgspec

from contracts.envelope import Envelope, UnreadableEventError, read_envelope
from kits.kafka.records import IncomingRecord
from worker.handler import require_sound
from worker.inbox.headers import encode_headers
from worker.inbox.item import InboxItem

_MAX_ID = 64
_MAX_SEQ = 2**31 - 1
_MESSAGE_BYTES = 1024


class Arrived(msgspec.Struct, gc=False):
    """An event that can be read: the row that is stored of it."""

    id: str
    key: str
    number: int
    payload: bytes
    is_first: bool
    event_type: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    headers: bytes


class Unreadable(msgspec.Struct, gc=False):
    """A record of which no event can be made: a dead letter at birth, known by its headers or its place.

    Without `order_id` it holds no order. `message` has at most 1 KiB.
    """

    event_id: str
    order_id: str | None
    seq: int | None
    topic: str
    topic_id: str
    partition: int
    offset: int
    record_key: bytes | None
    payload: bytes | None
    headers: bytes
    code: str
    message: str


def read_record(record: IncomingRecord, topic_id: str) -> Arrived | Unreadable:
    """What is stored of a record. An unknown type of a known version is an event like any other."""
    try:
        envelope = _envelope_of(record)
    except UnreadableEventError as error:
        return _unreadable(record, topic_id, error)
    return Arrived(
        envelope.event_id,
        envelope.order_id,
        envelope.seq,
        record.value or b"",
        envelope.seq == 1,
        envelope.event_type,
        record.topic,
        topic_id,
        record.partition,
        record.offset,
        encode_headers(record.headers),
    )


def item_of(row: Arrived, record: IncomingRecord) -> InboxItem:
    """What a claim of this row carries."""
    return InboxItem(
        row.id,
        row.key,
        row.number,
        row.payload,
        event_type=row.event_type,
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        record_key=record.key,
        headers=record.headers,
    )


def _envelope_of(record: IncomingRecord) -> Envelope:
    require_sound(record)
    envelope = read_envelope(record.value, record.headers)
    if record.key != envelope.order_id.encode():
        raise UnreadableEventError("other_key", "Its key is not its order id: it may stand in any partition.")
    return envelope


def _unreadable(record: IncomingRecord, topic_id: str, error: UnreadableEventError) -> Unreadable:
    headers = dict(record.headers)
    order_id, seq = _id(headers, "ce_subject"), _seq(headers)
    message = str(error).replace("\x00", "").encode("utf-8", "replace")[:_MESSAGE_BYTES]
    return Unreadable(
        # Another topic at the same place is another topic: its id belongs to the name.
        event_id=_id(headers, "ce_id") or str(uuid5(UUID(topic_id), f"{record.partition}/{record.offset}")),
        order_id=order_id,
        seq=seq if order_id else None,
        topic=record.topic,
        topic_id=topic_id,
        partition=record.partition,
        offset=record.offset,
        record_key=record.key,
        payload=record.value,
        headers=encode_headers(record.headers),
        code=error.code,
        message=message.decode("utf-8", "ignore"),
    )


def _id(headers: Mapping[str, bytes], name: str) -> str | None:
    # What is no id in a readable event is none here: it must fit the table and an HTTP header.
    text = headers.get(name, b"").decode("ascii", "replace")
    fits = 0 < len(text) <= _MAX_ID and all("!" <= character <= "~" for character in text)
    return text if fits else None


def _seq(headers: Mapping[str, bytes]) -> int | None:
    text = headers.get("order_seq", b"").decode("ascii", "replace")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if 1 <= number <= _MAX_SEQ else None
