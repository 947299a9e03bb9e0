"""Stream, rule: what a record of `order-events` is: a created order, nothing to us, or unreadable."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from contracts.envelope import Envelope, UnreadableEventError, read_envelope
from contracts.order_events import ORDER_CREATED, MinorUnits, Pieces
from contracts.sales import CurrencyCode, minute_of

MAX_EVENT_BYTES = 3 * 512 * 1024
"""Larger ones are dead letters without their bytes: the topics of what we write take 2 MiB."""
_LETTER_REASON = 1024

Headers: TypeAlias = Iterable[tuple[str, Any]] | None


class CreatedOrder(msgspec.Struct, frozen=True, gc=False):
    """Of a created order what the sales need; `event` is the record's value, as JSON."""

    order_id: str
    seq: int
    minute: str
    currency: str
    pieces: int
    total: int
    event: bytes


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A record of which nothing can be made: why, and its bytes as far as they fit into a dead letter."""

    code: str
    reason: str
    value: bytes | None


class _Line(msgspec.Struct, frozen=True):
    quantity: Pieces


class _Order(msgspec.Struct, frozen=True):
    currency: CurrencyCode
    total: MinorUnits
    items: list[_Line]


class _Created(Envelope, frozen=True, kw_only=True, rename="camel"):
    order: _Order


_created = msgspec.json.Decoder(_Created)


class Formats(Protocol):
    """Knows in which forms events travel."""

    def json_of(self, value: bytes, headers: Headers) -> bytes:
        """The value as JSON. Raises: UnreadableEventError."""
        ...


class OrderReading(NamedTuple):
    """Reads records, whatever form they travel in."""

    formats: Formats

    def order_of(
        self, value: bytes | None, key: bytes | None, _timestamp: int, headers: Headers
    ) -> CreatedOrder | Unreadable | None:
        """What a record tells; None: an event that is no matter of ours. The broker's time does not count."""
        if value is not None and len(value) > MAX_EVENT_BYTES:
            return Unreadable("too_large", f"The value has {len(value)} bytes.", None)
        try:
            plain = None if value is None else self.formats.json_of(value, headers)
            return _order_of(plain, key, headers)
        except UnreadableEventError as error:
            return Unreadable(error.code, str(error)[:_LETTER_REASON], value)


def without_headers(value: bytes | None, fault: str) -> Unreadable:
    """Of a record whose headers cannot be read."""
    kept = None if value is None or len(value) > MAX_EVENT_BYTES else value
    return Unreadable("unreadable_headers", f"Its headers cannot be read: {fault}"[:_LETTER_REASON], kept)


def _order_of(value: bytes | None, key: bytes | None, headers: Headers) -> CreatedOrder | None:
    envelope = read_envelope(value, headers or ())
    if key != envelope.order_id.encode():
        raise UnreadableEventError("other_key", "Its key is not its order id: it may stand in any partition.")
    if envelope.event_type != ORDER_CREATED:
        return None
    try:
        order = _created.decode(value or b"").order
        minute = minute_of(envelope.occurred_at)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableEventError("undecodable_value", f"Not a created order: {error}") from error
    if not order.items:
        raise UnreadableEventError("undecodable_value", "Not a created order: it has no lines.")
    return CreatedOrder(
        envelope.order_id,
        envelope.seq,
        minute,
        order.currency,
        sum(line.quantity for line in order.items),
        order.total,
        value or b"",
    )


def dead_letter_headers(
    unreadable: Unreadable, headers: Headers, *, group: str, topic: str, partition: int, offset: int
) -> list[tuple[str, bytes]]:
    """The record's own headers, then where it stood and why it is here."""
    told = {
        "dlq_group": group,
        "dlq_topic": topic,
        "dlq_partition": str(partition),
        "dlq_offset": str(offset),
        "dlq_error_code": unreadable.code,
        "dlq_error_message": unreadable.reason,
    }
    return [*(headers or ()), *((name, text.encode("utf-8", "replace")) for name, text in told.items())]
