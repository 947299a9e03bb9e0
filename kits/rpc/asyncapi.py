"""Request-reply, AsyncAPI 3.0: what patterns say, for people and programs that do not read Python."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kits.patterns import published
from kits.rpc.patterns import Pattern
from kits.rpc.wire import CORRELATION_ID, DEADLINE, ERROR, IS_LAST, REPLY_PARTITION, REPLY_TOPIC

VERSION = "3.0.0"
_REFERENCE = "#/components/schemas/{name}"
_TEXT = {"type": "string"}
_REQUEST_HEADERS = {
    "type": "object",
    "properties": {
        CORRELATION_ID: {**_TEXT, "description": "Chosen by the caller; the reply has it too."},
        REPLY_TOPIC: {**_TEXT, "description": "Where the reply goes: a topic that ends in `.reply`."},
        REPLY_PARTITION: {**_TEXT, "description": "Its partition, in decimal digits."},
        DEADLINE: {**_TEXT, "description": "Until when the caller waits: ms since 1970, in decimal digits."},
    },
    "required": [CORRELATION_ID, REPLY_TOPIC],
}
_REPLY_HEADERS = {
    "type": "object",
    "properties": {
        CORRELATION_ID: _TEXT,
        IS_LAST: {**_TEXT, "description": "One zero byte, on the last reply."},
        ERROR: {**_TEXT, "description": "Instead of a value: JSON with `status`, `code` and `detail`."},
    },
    "required": [CORRELATION_ID],
}


def requests_of(patterns: Iterable[Pattern[Any, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """The `channels`, `operations` and `schemas` of patterns, seen from the service that answers."""
    listed = list(patterns)
    kinds = [kind for each in listed for kind in (each.request.kind, each.reply.kind)]
    shapes, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for number, pattern in enumerate(listed):
        topic, replies = pattern.topic, f"{pattern.topic}.replies"
        asked, answered = published(shapes[2 * number]), published(shapes[2 * number + 1])
        channels[topic] = _channel(topic, "request", asked, _REQUEST_HEADERS)
        channels[replies] = _channel(None, "reply", answered, _REPLY_HEADERS)
        operations[topic] = {
            "action": "receive",
            "channel": _to("channels", topic),
            "messages": [_to("channels", topic, "messages", "request")],
            "reply": {
                "address": {"location": f"$message.header#/{REPLY_TOPIC}"},
                "channel": _to("channels", replies),
                "messages": [_to("channels", replies, "messages", "reply")],
            },
        }
    return {"channels": channels, "operations": operations, "schemas": published(dict(schemas))}


def _channel(address: str | None, name: str, payload: Any, headers: Mapping[str, Any]) -> dict[str, Any]:
    message = {"contentType": "application/json", "headers": headers, "payload": payload}
    return {"address": address, "messages": {name: message}}


def _to(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(each.replace("/", "~1") for each in path)}
