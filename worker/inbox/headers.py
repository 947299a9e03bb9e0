"""Inbox: how a record's headers are kept in a row."""

import msgspec

from kits.kafka.records import Headers

_headers = msgspec.json.Decoder(tuple[tuple[str, bytes], ...])


def encode_headers(headers: Headers) -> bytes:
    """Headers as JSON `[[name, base64], …]`: any bytes fit, and people can read them."""
    return msgspec.json.encode(headers)


def decode_headers(content: bytes | None) -> Headers:
    """The opposite of encode_headers."""
    return _headers.decode(content) if content else ()
