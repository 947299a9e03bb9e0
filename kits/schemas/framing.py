"""Schemas kit: how a value says which schema wrote it, in Confluent's framing."""

import struct

_HEAD = struct.Struct(">BI")
_MAGIC = 0
AVRO_TYPE = b"application/avro"
"""The header `content-type` of a record with such a value."""


def framed(schema_id: int, body: bytes) -> bytes:
    """The value on the wire: a zero byte, the id of the schema (4 bytes, big endian), the body."""
    return _HEAD.pack(_MAGIC, schema_id) + body


def schema_id_of(value: bytes | None) -> int | None:
    """The id of the schema that wrote it; None: the value has no frame, so it is no Avro.

    No text begins with a zero byte, so JSON and framed values may stand in one topic.
    """
    if value is None or value[:1] != b"\x00" or len(value) < _HEAD.size:
        return None
    return int(_HEAD.unpack_from(value)[1])


def body_of(value: bytes) -> bytes:
    """What stands behind the frame."""
    return value[_HEAD.size :]
