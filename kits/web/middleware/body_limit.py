"""Bounds the body of a request, before any handler sees it."""

from typing import cast

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from kits.web.doors.answers import problem_answer
from kits.web.problems.details import ProblemError, Problems

MAX_BODY_BYTES = 64 * 1024
_MAX_DISCARDED_BYTES = 16 * 1024 * 1024
_TOO_LARGE = "payload_too_large"


class BodyLimit:
    """ASGI middleware: a longer body is refused with 413, declared or chunked, and never held in memory.

    A declared length is refused before a byte of the body is read, a chunked body with the first byte too
    many. After an early answer the rest of the body is read and thrown away, up to 16 MiB, so that the client
    gets to see the answer instead of a reset connection (RFC 9112, 9.6).
    """

    def __init__(self, app: ASGIApp, problems: Problems, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._problems = problems
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the bound."""
        sent = dict(scope["headers"])
        # The HTTP parser has refused everything but digits beyond 64 bits; leading zeros are no bits.
        length = int(sent.get(b"content-length", b"").lstrip(b"0") or b"0")
        if not length and b"transfer-encoding" not in sent:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._max_bytes)
        send_all = _send_and_discard(send, body, expects_continue=b"expect" in sent)
        if length > self._max_bytes:
            detail = f"The body has {length} bytes; {self._max_bytes} are allowed."
            facts = {"limit": self._max_bytes}
            answer = self._problems.answer(_TOO_LARGE, detail, path=scope["path"], facts=facts)
            await problem_answer(answer).send(send_all)
        else:
            await self._app(scope, cast(Receive, body.receive), send_all)


class _Body:
    """What has been read of a request's body."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._read = 0
        self.complete = False

    @property
    def begun(self) -> bool:
        return self._read > 0 or self.complete

    async def receive(self) -> HTTPReceiveMessage:
        """The next part.

        Raises:
            ProblemError: payload_too_large.
        """
        message = await self._next()
        if self._read > self._max_bytes:
            detail = f"The body has more than {self._max_bytes} bytes."
            raise ProblemError(_TOO_LARGE, detail, facts={"limit": self._max_bytes})
        return message

    async def discard(self) -> None:
        """Read the rest, up to a bound; how long that may take is the server's bound."""
        while not self.complete and self._read < _MAX_DISCARDED_BYTES:
            await self._next()

    async def _next(self) -> HTTPReceiveMessage:
        message = cast(HTTPReceiveMessage, await self._receive())
        if message["type"] == "http.request":
            self._read += len(message["body"])
            self.complete = not message["more_body"]
        else:
            self.complete = True
        return message


def _send_and_discard(send: Send, body: _Body, *, expects_continue: bool) -> Send:
    async def send_all(message: Message) -> None:
        if body.complete:
            await send(message)
        elif message["type"] == "http.response.start":
            if expects_continue and not body.begun:
                # The client may never send this body, so where the next request begins is unknown.
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)
        elif message["type"] == "http.response.body" and not (expects_continue and not body.begun):
            await send({**message, "more_body": True})
            await body.discard()
            await send({**message, "body": b"", "more_body": False})
        else:
            await send(message)

    return send_all
