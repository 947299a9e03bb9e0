"""Judges, Avro: what our events are as records, and one record of every type that Avro has."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from devservices.instance import ROOT
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import body_of, framed

CONTRACTS = ROOT / "contracts" / "avro"
GOLDEN = ROOT / "tests" / "contract" / "golden"
_EVENTS = {
    "OrderCreatedV1": "order.created.v1",
    "OrderPaidV1": "order.paid.v1",
    "OrderPaymentRefusedV1": "order.payment_refused.v1",
    "OrderFulfilledV1": "order.fulfilled.v1",
    "OrderCancelledV1": "order.cancelled.v1",
    "OrderExpiredV1": "order.expired.v1",
    "OrderEventSkippedV1": "order.event_skipped.v1",
    "MemberUpdatedV1": "member.updated.v1",
    "MemberUpdatedV2": "member.updated.v2",
}
USER = {"id": "u-1", "name": "Hong Gildong 홍길동", "email": "gildong@members.example"}


class Sample(NamedTuple):
    """A schema, and an object of it as JSON says it."""

    name: str
    definition: Mapping[str, Any]
    content: bytes

    @property
    def subject(self) -> str:
        """The full name of the schema."""
        return f"{self.definition['namespace']}.{self.definition['name']}"

    @property
    def text(self) -> str:
        """The schema as a registry keeps it."""
        return json.dumps(self.definition)

    def ours(self, schema_id: int) -> bytes:
        """The value of a record that we write."""
        return framed(schema_id, AvroSchema(self.definition).encode(self.content))

    def read_by_us(self, value: bytes) -> bytes:
        """The JSON that we make of a record's value."""
        return AvroSchema(self.definition).decode(body_of(value))


def _golden(name: str) -> bytes:
    # Compact, in the order of its members, as events travel.
    parsed = json.loads((GOLDEN / f"{name}.json").read_bytes())
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()


def _definition(name: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads((CONTRACTS / f"{name}.avsc").read_bytes())
    return parsed


SAMPLES = (
    Sample(
        "UserCreated",
        _definition("UserCreated"),
        json.dumps(USER, ensure_ascii=False, separators=(",", ":")).encode(),
    ),
    *(Sample(name, _definition(name), _golden(file)) for name, file in _EVENTS.items()),
)

RICH: Mapping[str, Any] = {
    "type": "record",
    "name": "Everything",
    "namespace": "judges",
    "fields": [
        {"name": "nothing", "type": "null"},
        {"name": "yes", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": "long"},
        {"name": "half", "type": "float"},
        {"name": "third", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "list", "type": {"type": "array", "items": ["null", "string", "int"]}},
        {"name": "labels", "type": {"type": "map", "values": "long"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "inner",
            "type": ["null", {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "int"}]}],
            "default": None,
        },
    ],
}  # fmt: skip
RICH_RECORD: Mapping[str, Any] = {
    "nothing": None,
    "yes": True,
    "small": -7,
    "large": 2**52,
    "half": -0.5,
    "third": 1 / 3,
    "raw": b"\0\xff\x80",
    "text": "Träume \U0001f30d",
    "colour": "GREEN",
    "hash": b"\xde\xad\xbe\xef",
    "list": [None, "zwei", 3],
    "labels": {"a": 1, "b": -1},
    "at": 1_795_000_000_123,
    "inner": {"n": 1},
}
