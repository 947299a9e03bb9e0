"""Contract: everything that travels over Kafka, as one AsyncAPI 3.0 document beside the JSON Schemas."""

from typing import Any

import msgspec

from contracts import member_events, order_events
from contracts.json_schemas import FOLDER, schema_file
from contracts.order_patterns import PATTERNS
from contracts.topics import ORDER_EVENTS
from kits.rpc.asyncapi import VERSION, requests_of

FILE = FOLDER / "asyncapi.json"
_TOPICS = {ORDER_EVENTS: list(order_events.SCHEMAS)} | {topic: [topic] for topic in member_events.SCHEMAS}
_KEYS = dict.fromkeys(member_events.SCHEMAS, "The member's id, as text.")
_KEYS[ORDER_EVENTS] = "The order's id, as text."


def asyncapi_document() -> dict[str, Any]:
    """Events are sent, requests received; the schemas of events are the files beside it."""
    asked = requests_of(PATTERNS)
    events = {topic: _event_channel(topic, ce_types) for topic, ce_types in _TOPICS.items()}
    sending = {topic: {"action": "send", "channel": {"$ref": f"#/channels/{topic}"}} for topic in _TOPICS}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Order pipeline",
            "version": "1",
            "description": "Events of orders and members, and what the shop can be asked over Kafka.",
        },
        "defaultContentType": "application/json",
        "channels": {**events, **asked["channels"]},
        "operations": {**sending, **asked["operations"]},
        "components": {"schemas": asked["schemas"]},
    }


def asyncapi_text() -> str:
    """The document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(asyncapi_document()), indent=2).decode() + "\n"


def _event_channel(topic: str, ce_types: list[str]) -> dict[str, Any]:
    key = {"kafka": {"key": {"type": "string", "description": _KEYS[topic]}}}
    messages = {
        ce_type: {
            "name": ce_type,
            "contentType": "application/json",
            "bindings": key,
            "payload": {"$ref": f"./{schema_file(ce_type).name}"},
        }
        for ce_type in ce_types
    }
    return {"address": topic, "messages": messages}
