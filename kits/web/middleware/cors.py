"""Lets pages of other origins read the answers (Fetch standard, "CORS protocol"); nobody's unless listed.

No answer depends on cookies: tokens travel in a header, so credentials are never allowed, and `*` is safe.
"""

import re

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kits.web.middleware.methods import ALLOW

ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_SENT = b"authorization, content-type, idempotency-key, if-match, if-none-match, traceparent"
_READ = b"allow, etag, idempotency-replayed, location, retry-after, www-authenticate"
_VARY = (b"vary", b"Origin")
_PREFLIGHT_SECONDS = b"600"


def read_origins(text: str) -> frozenset[str]:
    """The origins of a comma-separated list, as browsers send them.

    Raises:
        ValueError: its text says which one is none, and why.
    """
    origins = [part.strip().lower() for part in text.split(",") if part.strip()]
    if ANY_ORIGIN in origins and len(origins) > 1:
        raise ValueError("`*` allows every origin: it must stand alone.")
    for origin in origins:
        if origin != ANY_ORIGIN:
            _require_origin(origin)
    return frozenset(origins)


def _require_origin(origin: str) -> None:
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(f"`{origin}` is no origin: write scheme and host, as in https://shop.example:8443.")
    scheme, _, host = origin.partition("://")
    if scheme in _DEFAULT_PORTS and host.endswith(_DEFAULT_PORTS[scheme]):
        raise ValueError(f"`{origin}`: leave the port out, browsers do not send the usual one.")


class Cors:
    """ASGI middleware, outside of everything that answers, so that problems can be read too.

    A preflight is answered as any OPTIONS is; its `Allow` says which methods the path has.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add what the browser wants to see to every answer."""
        sent = dict(scope["headers"])
        allowed = self._allowed(sent.get(b"origin", b""))
        preflight = scope.get("method") == "OPTIONS" and b"access-control-request-method" in sent

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if ANY_ORIGIN not in self._origins:
                    headers.append(_VARY)
                if allowed:
                    headers += _granted(allowed, dict(headers).get(ALLOW, b"") if preflight else None)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_allowed)

    def _allowed(self, origin: bytes) -> bytes:
        if ANY_ORIGIN in self._origins:
            return ANY_ORIGIN.encode()
        return origin if origin.decode("latin-1") in self._origins else b""


def _granted(origin: bytes, methods: bytes | None) -> list[tuple[bytes, bytes]]:
    granted = [(b"access-control-allow-origin", origin)]
    if methods is None:
        return [*granted, (b"access-control-expose-headers", _READ)]
    return [
        *granted,
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", _SENT),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    ]
