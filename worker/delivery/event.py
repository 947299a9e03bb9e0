"""Delivery: one event on its way, read from its record or from the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import msgspec

from contracts.envelope import Envelope, UnreadableEventError, read_envelope
from kits.kafka.records import IncomingRecord
from kits.observability.traces import TRACEPARENT

_MESSAGE_BYTES = 1024
_MAX_SEQ = 2**31 - 1
_MAX_ID = 64


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event is dead or held: class, stable code, a sentence of at most 1 KiB."""

    error_class: str
    code: str
    message: str


class Event(msgspec.Struct, eq=False, gc=False):
    """An event and what has happened to it so far; `epoch` is the assignment under which it was taken.

    `failure` is set when nothing can be made of the record: it is dead before the first call. `tries` are the
    calls that failed for whatever reason, `lonely_failures` those that may have been the event's own fault;
    `attempts` are those that count against it. `is_parked`: it came from the ledger, where it waited for its
    time, known to fail alone. `closings` is what the breaker had counted when its first call failed.
    """

    event_id: str
    order_id: str | None
    seq: int | None
    event_type: str
    traceparent: str
    record: IncomingRecord
    epoch: int
    failure: Failure | None = None
    from_ledger: bool = False
    alone: bool = False
    is_parked: bool = False
    tries: int = 0
    lonely_failures: int = 0
    closings: int | None = None
    attempts: int = 0
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.record.value or b"")

    @property
    def is_known_alone(self) -> bool:
        """Others have shown before that it is not the platform."""
        return self.is_parked or self.attempts > 0

    def failed(self, at: datetime) -> None:
        """Remember when it failed by its own fault."""
        self.first_failed_at = self.first_failed_at or at
        self.last_failed_at = at


def failure(error_class: str, code: str, message: str) -> Failure:
    """A Failure whose message fits everywhere: no NUL, no broken characters, at most 1 KiB of UTF-8."""
    clean = message.replace("\x00", "").encode("utf-8", "replace")[:_MESSAGE_BYTES]
    return Failure(error_class, code, clean.decode("utf-8", "ignore"))


def read_event(record: IncomingRecord, *, epoch: int, from_ledger: bool = False) -> Event:
    """Make an event of a record; one that cannot be read is identified by its headers alone."""
    headers = dict(record.headers)
    try:
        envelope = read_envelope(record.value, record.headers)
    except UnreadableEventError as error:
        event = _unreadable(record, headers, epoch, error)
    else:
        event = _readable(record, headers, epoch, envelope)
    event.from_ledger = from_ledger
    return event


def _readable(record: IncomingRecord, headers: Mapping[str, bytes], epoch: int, envelope: Envelope) -> Event:
    return Event(
        event_id=envelope.event_id,
        order_id=envelope.order_id,
        seq=envelope.seq,
        event_type=envelope.event_type,
        traceparent=headers.get(TRACEPARENT, b"").decode("ascii", "replace"),
        record=record,
        epoch=epoch,
    )


def _unreadable(
    record: IncomingRecord, headers: Mapping[str, bytes], epoch: int, error: UnreadableEventError
) -> Event:
    place = f"kafka:{record.topic}/{record.partition}/{record.offset}"
    return Event(
        event_id=_id(headers.get("ce_id")) or str(uuid5(NAMESPACE_URL, place)),
        order_id=_id(headers.get("ce_subject")),
        seq=_seq(headers.get("order_seq")),
        event_type="",
        traceparent="",
        record=record,
        epoch=epoch,
        failure=failure("unreadable", error.code, str(error)),
    )


def _id(content: bytes | None) -> str | None:
    # What is no id in a readable event is none here: it must fit the ledger and an HTTP header.
    text = (content or b"").decode("ascii", "replace")
    fits = 0 < len(text) <= _MAX_ID and all("!" <= character <= "~" for character in text)
    return text if fits else None


def _seq(content: bytes | None) -> int | None:
    text = (content or b"").decode("ascii", "replace")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if 1 <= number <= _MAX_SEQ else None
