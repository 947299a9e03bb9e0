"""Reads a JSON body once, bounded, straight into a struct; every fault gets its place in the body."""

import re
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.types import Receive

from kits.patterns import published_message
from kits.web.doors.json_members import MemberCheck, RepeatedMemberError
from kits.web.problems.details import FieldError, ProblemError

T = TypeVar("T", bound=msgspec.Struct)

_JSON = b"application/json"
_PLACE = re.compile(r"(?s)(.*) - at `(\$.*?)`\Z")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_NAMED = re.compile(r"(?s)Object (?:missing required|contains unknown) field `(.*)`\Z")


class JsonBody(Generic[T]):
    """The body of one kind of request. Build it once: its decoder is compiled for the struct."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._members = MemberCheck(kind)

    async def read(self, request: Request[Any, Any, Any]) -> T:
        """The decoded body.

        Raises:
            ProblemError: unsupported_media_type, malformed_body, or invalid_request with a JSON pointer.
        """
        require_json(request.scope["headers"])
        return self.decode(await read_body(request.receive))

    def decode(self, body: bytes) -> T:
        """As `read`, from bytes that are there already."""
        try:
            decoded = self._decoder.decode(body)
            self._members.require_unique(body, decoded)
        except msgspec.ValidationError as error:
            raise ProblemError(
                "invalid_request", "The body breaks a rule; see errors.", errors=[field_error(str(error))]
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProblemError("malformed_body", f"The body is not JSON in UTF-8: {error}.") from None
        except RepeatedMemberError as error:
            raise ProblemError("malformed_body", f"The body is ambiguous: {error}.") from None
        except RecursionError:
            raise ProblemError("malformed_body", "The body is nested too deeply.") from None
        return decoded


def require_json(headers: Any) -> None:
    """Refuse a body that is not declared as plain JSON.

    Raises:
        ProblemError: unsupported_media_type.
    """
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) != 1 or (types[0] != _JSON and types[0].split(b";")[0].strip().lower() != _JSON):
        raise ProblemError("unsupported_media_type", "Send the body as application/json.")
    encodings = [value for name, value in headers if name == b"content-encoding"]
    if any(value.strip().lower() != b"identity" for value in encodings):
        raise ProblemError("unsupported_media_type", "Send the body without a content encoding.")


async def read_body(receive: Receive) -> bytes:
    """The whole body; how long it may be, and how long it may take, is bounded by the layers outside.

    Raises:
        ProblemError: bad_request, the client went away; nobody reads that answer.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ProblemError("bad_request", "The client went away before the body was complete.")
        if not parts and not message["more_body"]:
            return message["body"]
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


def field_error(message: str) -> FieldError:
    """A decoder's message as a sentence and a JSON pointer (RFC 6901) to the field that it means."""
    message = published_message(message)
    place = _PLACE.match(message)
    sentence, path = (place.group(1), place.group(2)) if place else (message, "$")
    steps = [name or index or "-" for name, index in _STEP.findall(path)]
    named = _NAMED.match(sentence)
    if named:
        steps.append(named.group(1))
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(detail=f"{sentence}.", pointer=f"#{pointer}")
