"""One connection, fed byte by byte or all at once: the same answers, and bounded memory."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import pytest
from uvicorn import Config

from kits.web.server.connection import ListenerState, StrictProtocol
from kits.web.server.connections import ConnectionLimits
from tests.waiting import eventually

LIMITS = ConnectionLimits()
HEAD = b"POST /orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"2\r\n{}\r\n"
GET = b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)})
        self.written = b""
        self.reading = True
        self.closed = self.aborted = False
        self.unsent = 0

    def write(self, data: Any) -> None:
        self.written += data

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", self.written)]


class Served:
    """A connection, its wire, and what the application saw of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[bytes, bytes], bytes]] = []
        self.wire = Wire()
        config = Config(self.app, http=StrictProtocol, lifespan="off", interface="asgi3", log_config=None)
        config.load()
        self.protocol = StrictProtocol(config, ListenerState(LIMITS), {})
        self.protocol.connection_made(self.wire)
        self.most_waiting = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.most_waiting = max(self.most_waiting, len(self.protocol.pipeline))
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        self.seen.append((scope["path"], dict(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def feed(self, pieces: Iterable[bytes]) -> int:
        """Send while the other side reads; how many bytes were sent."""
        sent = 0
        for piece in pieces:
            await eventually(lambda: self.wire.reading or self.wire.closed)
            if self.wire.closed or self.protocol._refused:
                break
            self.protocol.data_received(piece)
            sent += len(piece)
        return sent

    async def answered(self, count: int) -> list[int]:
        await eventually(lambda: len(self.wire.statuses) >= count)
        return self.wire.statuses


def whole(sent: bytes) -> list[bytes]:
    return [sent]


def in_two(sent: bytes) -> list[bytes]:
    """The second begins with the trailers."""
    at = sent.index(b"\r\n0\r\n") + len(b"\r\n0\r\n")
    return [sent[:at], sent[at:]]


def byte_by_byte(sent: bytes) -> list[bytes]:
    return [sent[at : at + 1] for at in range(len(sent))]


@pytest.mark.parametrize("segments", [whole, in_two, byte_by_byte])
async def test_trailers_never_count_as_head_wherever_the_segments_end(segments: Any) -> None:
    trailers = b"Authorization: Bearer x\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nE:\r\n"
    served = Served()
    await served.feed(segments(HEAD + CHUNK + b"0\r\n" + trailers + b"\r\n" + GET % 2))
    assert await served.answered(2) == [200, 200]
    assert served.seen == [
        ("/orders", {b"host": b"shop", b"transfer-encoding": b"chunked"}, b"{}"),
        ("/2", {b"host": b"shop"}, b""),
    ]


ENDLESS = {
    "many trailers": (HEAD + CHUNK + b"0\r\n", b"X-Trailer: y\r\n" * 70, 431),
    "one trailer": (HEAD + CHUNK + b"0\r\nX-Trailer: ", b"y" * 1000, 400),
    "one trailer's name": (HEAD + CHUNK + b"0\r\n", b"y" * 1000, 400),
    "a chunk extension": (HEAD + b"2;", b"y" * 1000, 400),
    "many chunk extensions": (HEAD, b"1;yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy=z\r\n{\r\n", 400),
    "zeros before a chunk's size": (HEAD, b"0" * 1000, 400),
    "empty lines before a request": (b"", b"\r\n" * 500, 431),
    # The answer to the request before is the last one.
    "empty lines between requests": (GET % 1, b"\r\n" * 500, 200),
    "a path": (b"GET /", b"a" * 1000, 431),
    "a header": (b"GET / HTTP/1.1\r\nX: ", b"a" * 1000, 431),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 100, 431),
}


@pytest.mark.parametrize("case", ENDLESS)
async def test_what_does_not_end_is_refused_after_few_kibibytes(case: str) -> None:
    start, more, status = ENDLESS[case]
    served = Served()
    sent = await served.feed([start, *[more] * 2000])
    assert await served.answered(1) == [status]
    assert b"connection: close\r\n" in served.wire.written
    assert sent < 60_000
    served.protocol.data_received(b"x" * 100_000)
    assert served.protocol._unread == b""


async def test_the_smallest_chunks_are_fine() -> None:
    served = Served()
    await served.feed([HEAD, *[b"1\r\nx\r\n" * 100] * 500, b"0\r\n\r\n"])
    assert await served.answered(1) == [200]
    assert served.seen[0][2] == b"x" * 50_000


async def test_however_much_is_pipelined_few_requests_wait_and_all_are_answered_in_turn() -> None:
    served = Served()
    sent = b"".join(GET % number for number in range(2000))
    served.protocol.data_received(sent)
    assert not served.wire.reading
    assert len(served.protocol.pipeline) < 40
    assert await served.answered(2000) == [200] * 2000
    assert [path for path, _, _ in served.seen] == [f"/{number}" for number in range(2000)]
    assert served.most_waiting < 40
    await eventually(lambda: served.wire.reading)


async def test_a_refused_sender_is_read_to_a_bound_only() -> None:
    served = Served()
    served.protocol.data_received(b"nonsense\r\n\r\n")
    assert served.wire.statuses == [400]
    for _ in range(17):
        served.protocol.data_received(b"x" * 1024 * 1024)
    assert not served.wire.reading
    assert served.protocol._unread == b""


async def test_a_client_that_does_not_read_is_given_up_in_the_end() -> None:
    served = Served()
    served.wire.unsent = 1
    served.protocol.close_if_overdue(0.0, LIMITS)
    served.protocol.close_if_overdue(LIMITS.unread_seconds, LIMITS)
    assert not served.wire.aborted
    served.protocol.close_if_overdue(LIMITS.unread_seconds + 1, LIMITS)
    assert served.wire.aborted
