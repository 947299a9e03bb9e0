"""Schemas kit: one Avro schema, which turns a JSON object into Avro's binary form and back."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import fastavro
import msgspec

from kits.schemas.framing import body_of
from kits.wire_time import wire_time

Definition = Mapping[str, Any]
"""An Avro schema of a record, as its JSON form says it."""

_MILLIS = "timestamp-millis"
_WIRE_TIME = "wire-time"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_decoder = msgspec.json.Decoder(dict[str, Any])


class AvroError(Exception):
    """These bytes and this schema do not belong together; `code` says in which way."""

    code = "undecodable_value"


class OtherSchemaError(AvroError):
    """The schema is not the one that such a record has."""

    code = "other_schema"


class AvroSchema:
    """A record's schema (Apache Avro 1.12). What was JSON comes back as the same bytes.

    That holds for what this product writes: compact JSON, members in the order of the schema's fields. What
    has the logical type timestamp-millis, wherever it stands, is text in JSON (kits.wire_time).
    """

    def __init__(self, definition: Definition) -> None:
        """Raises: AvroError: it is no schema of a record."""
        self._parsed: Any
        self.text = msgspec.json.encode(definition).decode()
        try:
            self._parsed = fastavro.parse_schema(_with_times_as_text(msgspec.json.decode(self.text)), {})
            self.name: str = self._parsed["name"]
            kind = self._parsed["type"]
        except Exception as error:
            raise AvroError(f"This is no Avro schema of a record: {error!r}") from error
        if kind != "record":
            raise AvroError(f"This is no Avro schema of a record: {kind}")
        self.fingerprint = fingerprint_of(definition)

    def encode(self, content: bytes) -> bytes:
        """Avro's binary form of a JSON object.

        Raises:
            AvroError: a member is missing, unknown to the schema or of another type. Nothing is left out.
        """
        try:
            body = BytesIO()
            fastavro.schemaless_writer(body, self._parsed, _decoder.decode(content), strict=True)
        except Exception as error:
            raise AvroError(f"It does not fit schema {self.name}: {error!r}") from error
        return body.getvalue()

    def decode(self, body: bytes) -> bytes:
        """The JSON object that these bytes say, as compact JSON.

        Raises:
            AvroError: they do not fit, or something is left.
        """
        stream = BytesIO(body)
        try:
            content = msgspec.json.encode(fastavro.schemaless_reader(stream, self._parsed, None))
        except Exception as error:
            raise AvroError(f"These bytes do not fit schema {self.name}: {error!r}") from error
        if left := len(body) - stream.tell():
            raise AvroError(f"These bytes do not fit schema {self.name}: {left} are left over")
        return content


def read_framed(value: bytes, schema: AvroSchema, expected: str) -> bytes:
    """The JSON in a framed value that `schema` wrote.

    Raises:
        OtherSchemaError: the schema's name is not the expected one.
        AvroError: the bytes do not fit.
    """
    if schema.name != expected:
        raise OtherSchemaError(f"it is {schema.name}, and the header ce_type wants {expected}")
    return schema.decode(body_of(value))


def fingerprint_of(definition: Definition) -> str:
    """The same for equal schemas, whatever the order of their keys: SHA-256 of their JSON."""
    # Not Avro's parsing form (CRC-64 of it): that leaves out defaults, which a registry tells apart.
    canonical = msgspec.json.encode(definition, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()


def _with_times_as_text(part: Any) -> Any:
    """The schema as the codec gets it: a time has the logical type that is registered below."""
    if isinstance(part, list):
        return [_with_times_as_text(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("logicalType") == _MILLIS:
        return {**part, "logicalType": _WIRE_TIME}
    return {name: _with_times_as_text(each) for name, each in part.items()}


def _millis(text: str, *_: object) -> int:
    # Of all forms that can be read only this one comes back as it was.
    if len(text) != 24 or (text[4], text[7], text[10], text[19], text[23]) != ("-", "-", "T", ".", "Z"):
        raise ValueError(f"{text!r} is not in UTC with milliseconds")
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def _text(millis: int, *_: object) -> str:
    return wire_time(_EPOCH + millis * _MILLISECOND)


fastavro.write.LOGICAL_WRITERS[f"long-{_WIRE_TIME}"] = _millis
fastavro.read.LOGICAL_READERS[f"long-{_WIRE_TIME}"] = _text
