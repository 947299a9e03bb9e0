"""Answers whose bytes are ready: sent straight over ASGI, by handlers and by the layers outside of them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.types import Receive, Scope, Send

from kits.web.problems.details import ProblemAnswer

T = TypeVar("T")

_JSON = (b"content-type", b"application/json")
encode = msgspec.json.Encoder().encode


class BytesAnswer(Response[T]):
    """An ASGI application that sends one body; what it says is a T. For less than a framework response."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """JSON unless `headers`, named in lower case, say otherwise."""
        named = headers or {}
        self._status = status
        self._body = body
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        if "content-type" not in named:
            self._headers.append(_JSON)
        self._headers.append((b"content-length", b"%d" % len(body)))

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Itself: there is nothing for the framework to make."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Start and finish the answer."""
        await self.send(send)

    async def send(self, send: Send) -> None:
        """Start and finish the answer."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def json_answer(shown: T, *, status: int = 200, headers: Mapping[str, str] | None = None) -> BytesAnswer[T]:
    """The answer that shows this."""
    return BytesAnswer(encode(shown), status=status, headers=headers)


class NotModified(BytesAnswer[T]):
    """A 304: the headers of the 200, without a body and what describes it."""

    __slots__ = ()

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Headers are named in lower case."""
        super().__init__(b"", status=304, headers=headers)
        self._headers = self._headers[: len(headers)]


def problem_answer(problem: ProblemAnswer) -> BytesAnswer[Any]:
    """The answer of one refusal or failure."""
    return BytesAnswer(problem.body, status=problem.status, headers=problem.headers)
