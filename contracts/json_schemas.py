"""Contract: the JSON Schema (2020-12) of every event, made from its struct."""

from pathlib import Path
from typing import Any

import msgspec

from contracts import member_events, order_events
from contracts.envelope import Envelope
from kits.patterns import published

SCHEMAS: dict[str, type[msgspec.Struct]] = {**order_events.SCHEMAS, **member_events.SCHEMAS}
"""Every event on the wire by `ce_type`."""
FOLDER = Path(__file__).with_name("schemas")


def json_schema(ce_type: str) -> dict[str, Any]:
    """The schema of one event, by its `ce_type`, its patterns portable.

    An event whose body names its type and version is bound to them. Unknown fields are allowed: readers must
    ignore them.

    Raises:
        KeyError: no such event.
    """
    event = SCHEMAS[ce_type]
    schema = published(msgspec.json.schema(event))
    if issubclass(event, Envelope):
        name, _, version = ce_type.rpartition(".v")
        schema["$defs"][event.__name__]["properties"] |= {
            "eventType": {"type": "string", "const": name},
            "eventVersion": {"type": "integer", "const": int(version)},
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": ce_type, **schema}


def schema_file(ce_type: str) -> Path:
    """Where the committed schema of an event lies."""
    return FOLDER / f"{ce_type}.json"


def schema_text(ce_type: str) -> str:
    """The schema as it is committed."""
    return msgspec.json.format(msgspec.json.encode(json_schema(ce_type)), indent=2).decode() + "\n"
