"""Contract: the Avro schema of every event, made from its struct; its subject in a registry is its name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts import member_events, order_events, user_events
from kits.schemas.generating import avro_of

FOLDER = Path(__file__).with_name("avro")
PUBLISHED = FOLDER / "published"
"""Every version that was ever in use, as `<name>.<number>.avsc`; none of them ever changes."""
_EVENTS: Mapping[str, tuple[str, type[msgspec.Struct]]] = {
    **{ce_type: ("orderpipeline.orders", event) for ce_type, event in order_events.SCHEMAS.items()},
    **{ce_type: ("orderpipeline.members", event) for ce_type, event in member_events.SCHEMAS.items()},
    user_events.USER_CREATED: ("orderpipeline.users", user_events.UserCreated),
}


def avro_schemas(of: Mapping[str, object] = _EVENTS) -> dict[str, dict[str, Any]]:
    """The schema in force of every event, or of these, by `ce_type`."""
    chosen = {ce_type: event for ce_type, event in _EVENTS.items() if ce_type in of}
    return {ce_type: avro_of(event, namespace) for ce_type, (namespace, event) in chosen.items()}


def subjects() -> dict[str, str]:
    """The full name of the schema of every event by `ce_type`: one type of record per subject."""
    return {ce_type: f"{namespace}.{event.__name__}" for ce_type, (namespace, event) in _EVENTS.items()}


def avro_file(schema: Mapping[str, Any]) -> Path:
    """Where the committed schema lies."""
    return FOLDER / f"{schema['name']}.avsc"


def avro_text(schema: Mapping[str, Any]) -> str:
    """The schema as it is committed."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def published_files(schema: Mapping[str, Any]) -> list[Path]:
    """The versions of a schema, oldest first."""
    return sorted(PUBLISHED.glob(f"{schema['name']}.*.avsc"), key=lambda file: int(file.name.split(".")[1]))
