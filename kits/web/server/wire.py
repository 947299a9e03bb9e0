"""HTTP/1.1 on the wire: what the parser lets through and a careful server does not (RFC 9112)."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from kits.web.middleware.every_answer import SECURITY_HEADERS
from kits.web.problems.details import Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS

MAX_URL_BYTES = 8 * 1024
MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 100
MAX_TRAILER_BYTES = 8 * 1024
MAX_FRAMING_BYTES = 16 * 1024

PROBLEMS = Problems(HTTP_PROBLEMS)
"""How a refusal is told, unless a process has another form."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused before it reaches the application."""

    code: str
    detail: str


BROKEN_HTTP = Refusal("bad_request", "This is not a well-formed HTTP/1.1 request.")
HEAD_TOO_LARGE = Refusal("headers_too_large", f"The head of a request may have {MAX_HEAD_BYTES} bytes.")
TOO_SLOW = Refusal("request_timeout", "The request did not arrive in time.")
TOO_MANY_CONNECTIONS = Refusal("overloaded", "Too many connections are open.")
TOO_MANY_FROM_ADDRESS = Refusal("rate_limited", "Too many connections are open from this address.")
TRAILERS_TOO_LARGE = Refusal("headers_too_large", f"The trailers may have {MAX_TRAILER_BYTES} bytes.")
TOO_MUCH_FRAMING = Refusal("bad_request", "The chunks of this body have too much around them.")
_URL_TOO_LONG = Refusal("uri_too_long", f"The address may have {MAX_URL_BYTES} bytes.")
_TOO_MANY_HEADERS = Refusal("headers_too_large", f"A request may have {MAX_HEADERS} headers.")
_VERSION = Refusal("bad_request", "Speak HTTP/1.1 or HTTP/1.0.")
_HOST = Refusal("bad_request", "HTTP/1.1 needs exactly one Host header.")
_CODING = Refusal("bad_request", "The only transfer coding here is `chunked`, in HTTP/1.1.")
_UPGRADE = Refusal("bad_request", "This server upgrades to no other protocol: send no Upgrade header.")


def check_head(
    *, version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]], upgrade: bool
) -> Refusal | None:
    """Why this head is refused, None if it is not; names are in lower case.

    A coding that two servers may read differently is how requests are smuggled (RFC 9112, 11.2); the parser
    behind has refused duplicate, signed and contradictory lengths already. It would also swallow the body of
    a request that asks for an upgrade.
    """
    if version not in {"1.1", "1.0"}:
        return _VERSION
    if upgrade:
        return _UPGRADE
    if len(url) > MAX_URL_BYTES:
        return _URL_TOO_LONG
    if len(headers) > MAX_HEADERS:
        return _TOO_MANY_HEADERS
    return _check_fields(version, headers)


def _check_fields(version: str, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
    hosts = codings = size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            codings += 1
            if version != "1.1" or value.lower() != b"chunked":
                return _CODING
    if size > MAX_HEAD_BYTES:
        return HEAD_TOO_LARGE
    if hosts > 1 or (not hosts and version == "1.1"):
        return _HOST
    return _CODING if codings > 1 else None


def raw_answer(refusal: Refusal, problems: Problems = PROBLEMS) -> bytes:
    """The whole answer to a request that never reached the application; it closes the connection."""
    answer = problems.answer(refusal.code, refusal.detail, path="")
    headers = [
        *((name.encode(), value.encode()) for name, value in answer.headers.items()),
        *SECURITY_HEADERS,
        (b"content-length", str(len(answer.body)).encode()),
        (b"connection", b"close"),
    ]
    lines = [b"%s: %s\r\n" % header for header in headers]
    start = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n".encode()
    return b"".join([start, *lines, b"\r\n", answer.body])
