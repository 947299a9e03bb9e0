"""Request-reply, values: what travels as NestJS writes it: JSON for objects and arrays, text, or nothing."""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
_WHERE = " - at `"
_JSON_BEGINS = (b"{", b"[")


class UnreadableValueError(Exception):
    """Bytes that are not of the shape; `path` says where (`$` is the whole)."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{reason} (at {path})")
        self.reason = reason
        self.path = path


class Shape(Generic[T]):
    """A type as it travels.

    Objects and arrays are JSON; text, numbers, booleans, times and ids are plain text; None is Kafka's null;
    `bytes` go as they are. (NestJS 11 and 12: KafkaRequestSerializer and KafkaParser.)
    """

    def __init__(self, kind: type[T]) -> None:
        """Raises: TypeError for a type that msgspec does not know."""
        self.kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def write(self, value: T) -> bytes | None:
        """The bytes of a value; raises TypeError or ValueError for one that cannot travel."""
        return written(value)

    def read(self, data: bytes | None) -> T:
        """The value of these bytes.

        Raises:
            UnreadableValueError: they are not of this shape.
        """
        if data is not None and self.kind is bytes:
            return data  # type: ignore[return-value]
        try:
            if data is not None and data[:1] in _JSON_BEGINS and self.kind is not str:
                return self._decoder.decode(data)
            return msgspec.convert(None if data is None else data.decode(), self.kind, strict=False)
        except UnicodeDecodeError as error:
            raise UnreadableValueError("It is not UTF-8.") from error
        except (msgspec.DecodeError, RecursionError) as error:
            reason, _, place = str(error).partition(_WHERE)
            raise UnreadableValueError(reason, place.rstrip("`") or "$") from error


def written(value: Any) -> bytes | None:
    """The bytes of any value, see Shape."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    data = msgspec.json.encode(value)
    # What JSON writes as a text (a time, an id) is plain text outside of an object.
    return msgspec.json.decode(data, type=str).encode() if data[:1] == b'"' else data
