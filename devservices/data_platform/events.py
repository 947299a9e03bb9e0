"""Reading what a caller sends: one event, or a batch of events, each checked against its own labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devservices.data_platform.problems import Refusal

MAX_BATCH = 1_000
MAX_KEY_LENGTH = 255
MAX_SEQ_DIGITS = 12


@dataclass(frozen=True, slots=True)
class OfferedEvent:
    """One event as a caller offered it; `body` is its JSON text as it came."""

    event_id: str
    order_id: str
    seq: int
    traceparent: str | None
    body: str


def read_single(headers: Mapping[str, str], body: bytes) -> OfferedEvent:
    """The event of `POST /order-events`: labels in headers, the event itself as the body.

    Raises:
        Refusal: 400, a label is missing or contradicts the body, or the body is no JSON object.
    """
    text, event = _json_object(body)
    seq = headers.get("X-Order-Seq", "")
    labels = {
        "eventId": headers.get("Idempotency-Key"),
        "orderId": headers.get("X-Order-Id"),
        "seq": int(seq) if seq.isascii() and seq.isdigit() and len(seq) <= MAX_SEQ_DIGITS else None,
    }
    return _checked(labels, event, headers.get("traceparent"), text)


def read_batch(body: bytes) -> list[OfferedEvent]:
    """The events of `POST /order-events/batch`, at most one per order.

    Raises:
        Refusal: 400, with the place of the first thing that is wrong; 413, too many events.
    """
    _, content = _json_object(body)
    entries = content.get("events")
    if not isinstance(entries, list) or not entries:
        raise Refusal(400, "field events must be a list with at least one entry")
    if len(entries) > MAX_BATCH:
        raise Refusal(413, f"a batch holds at most {MAX_BATCH} events")
    offered = [_read_entry(number, entry) for number, entry in enumerate(entries)]
    if len({each.order_id for each in offered}) < len(offered):
        raise Refusal(400, "a batch holds at most one event per order")
    return offered


def _read_entry(number: int, entry: Any) -> OfferedEvent:
    if not isinstance(entry, dict) or not isinstance(entry.get("event"), dict):
        raise Refusal(400, f"events[{number}] must be an object with an object in its field event")
    traceparent = entry.get("traceparent")
    if not isinstance(traceparent, str | None):
        raise Refusal(400, f"events[{number}].traceparent must be text")
    event = entry["event"]
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    try:
        return _checked(entry, event, traceparent, body)
    except Refusal as refusal:
        raise Refusal(refusal.status, f"events[{number}]: {refusal.reason}") from None


def _checked(
    labels: Mapping[str, Any], event: Mapping[str, Any], traceparent: str | None, body: str
) -> OfferedEvent:
    event_id, order_id, seq = (labels.get(name) for name in ("eventId", "orderId", "seq"))
    for name, value in (("eventId", event_id), ("orderId", order_id)):
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_KEY_LENGTH:
            raise Refusal(400, f"{name} must be given beside the event, 1 to {MAX_KEY_LENGTH} characters")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise Refusal(400, "seq must be given beside the event, a whole number from 1")
    for name, value in (("eventId", event_id), ("orderId", order_id), ("seq", seq)):
        if event.get(name) != value:
            raise Refusal(400, f"{name} beside the event is {value!r}, in the event {event.get(name)!r}")
    return OfferedEvent(str(event_id), str(order_id), seq, traceparent, body)


def _json_object(body: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = body.decode()
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body must be JSON in UTF-8") from None
    if not isinstance(content, dict):
        raise Refusal(400, "the body must be a JSON object")
    return text, content
