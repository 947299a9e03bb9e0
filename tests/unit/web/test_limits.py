"""The body limit: what is too long is refused early and never held."""

import json
from typing import Any

import pytest

from kits.web.doors.answers import BytesAnswer
from kits.web.doors.json_body import read_body
from kits.web.middleware.body_limit import BodyLimit
from kits.web.problems.details import ProblemError, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS

CHUNKED = (b"transfer-encoding", b"chunked")


class Exchange:
    """One request with these body parts, and what was sent back."""

    def __init__(self, *parts: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        self.parts = list(parts)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def through(self, app: Any) -> None:
        await BodyLimit(app, Problems(HTTP_PROBLEMS), max_bytes=10)(self.scope, self.receive, self.send)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await BytesAnswer(await read_body(receive))(scope, receive, send)


async def ignore(scope: Any, receive: Any, send: Any) -> None:
    await BytesAnswer(b"ignored")(scope, receive, send)


def length(count: int) -> tuple[bytes, bytes]:
    return b"content-length", str(count).encode()


async def test_a_body_within_the_limit_passes() -> None:
    exchange = Exchange(b"12345", b"67890", headers=[length(10)])
    await exchange.through(echo)
    assert exchange.sent[1]["body"] == b"1234567890"


async def test_a_declared_body_over_the_limit_is_refused_before_the_application() -> None:
    exchange = Exchange(b"12345", b"678901", headers=[length(11)])
    await exchange.through(echo)
    assert exchange.sent[0]["status"] == 413
    assert json.loads(exchange.sent[1]["body"])["limit"] == 10


async def test_a_chunked_body_is_refused_at_the_first_byte_too_many() -> None:
    exchange = Exchange(b"12345", b"678901", b"never read", headers=[CHUNKED])
    with pytest.raises(ProblemError) as refused:
        await exchange.through(echo)
    assert refused.value.code == "payload_too_large"
    assert exchange.parts == [b"never read"]


@pytest.mark.parametrize(("count", "status"), [(b"5", 200), (b"11", 413)])
async def test_zeros_before_a_length_do_not_count(count: bytes, status: int) -> None:
    """More of them than Python turns into a number."""
    exchange = Exchange(b"12345", headers=[(b"content-length", b"0" * 4400 + count)])
    await exchange.through(echo)
    assert exchange.sent[0]["status"] == status


async def test_the_rest_of_a_body_is_read_after_an_early_answer() -> None:
    exchange = Exchange(b"12345", b"67890", headers=[length(10)])
    await exchange.through(ignore)
    assert [message.get("more_body") for message in exchange.sent] == [None, True, False]
    assert exchange.parts == []


async def test_a_body_that_the_client_holds_back_is_not_waited_for() -> None:
    exchange = Exchange(b"12345", headers=[length(5), (b"expect", b"100-continue")])
    await exchange.through(ignore)
    assert (b"connection", b"close") in exchange.sent[0]["headers"]
    assert exchange.parts == [b"12345"]
