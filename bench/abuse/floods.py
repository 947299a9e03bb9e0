"""What strangers send: every open endpoint, refusals of every kind, connections that only hold or pour."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

_BIG = 16 * 1024


class Behaviour(StrEnum):
    """What one connection of a flood does, over and over."""

    ASK = "ask"
    """Send the request, read the answer, and again, as fast as answers come."""
    POUR = "pour"
    """Send the beginning, then the rest without an end."""
    DRIP = "drip"
    """Send one byte in a second."""
    HOLD = "hold"
    """Connect, and send nothing."""
    IGNORE = "ignore"
    """Send the request again and again, and read no answer."""


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """One kind, and on how many connections at a time."""

    name: str
    connections: int
    request: bytes = b""
    rest: bytes = b""
    behaviour: Behaviour = Behaviour.ASK
    ops: bool = False
    """On the operators' port instead of the shop's."""


def floods(token: str) -> Sequence[Flood]:
    """All kinds; the token is a customer's, who sends rubbish."""
    order = _head("POST", "/orders", authorization=f"Bearer {token}", content_type="application/json")
    chunked = order + b"Transfer-Encoding: chunked\r\n\r\n"
    return (
        Flood(name="metrics", connections=40, request=_get("/metrics"), ops=True),
        Flood(name="readiness", connections=10, request=_get("/readyz"), ops=True),
        Flood(name="liveness", connections=10, request=_get("/livez"), ops=True),
        Flood(name="docs", connections=10, request=_get("/docs")),
        Flood(name="openapi", connections=10, request=_get("/docs/openapi.json")),
        Flood(name="products", connections=20, request=_get("/products?limit=100")),
        Flood(name="nothing there", connections=10, request=_get("/nothing")),
        Flood(name="no token", connections=20, request=_head("POST", "/orders") + b"\r\n"),
        Flood(
            name="bad token",
            connections=20,
            request=_head("POST", "/orders", authorization="Bearer " + token[:-2]) + b"\r\n",
        ),
        Flood(name="rubbish bodies", connections=10, request=order + b'Content-Length: 9\r\n\r\n{"a":[[[['),
        Flood(
            name="large bodies",
            connections=5,
            request=order + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
        ),
        Flood(
            name="trailers",
            connections=5,
            behaviour=Behaviour.POUR,
            request=chunked + b"2\r\n{}\r\n0\r\n",
            rest=b"X-Trailer: " + b"y" * _BIG + b"\r\n",
        ),
        Flood(
            name="chunk extensions",
            connections=5,
            behaviour=Behaviour.POUR,
            request=chunked,
            rest=b"1;x=" + b"y" * _BIG + b"\r\n{\r\n",
        ),
        Flood(
            name="large heads",
            connections=5,
            behaviour=Behaviour.POUR,
            request=_head("GET", "/docs"),
            rest=b"X-Header: " + b"y" * _BIG + b"\r\n",
        ),
        Flood(name="slow senders", connections=50, behaviour=Behaviour.DRIP, request=_get("/docs" * 100)),
        Flood(name="silent", connections=1000, behaviour=Behaviour.HOLD),
        Flood(
            name="never reading",
            connections=10,
            behaviour=Behaviour.IGNORE,
            request=_get("/docs/openapi.json"),
        ),
    )


def _get(path: str) -> bytes:
    return _head("GET", path) + b"\r\n"


def _head(method: str, path: str, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: shop\r\n{lines}".encode()
