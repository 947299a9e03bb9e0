"""Entrance: `python -m bench.drain.platform`, a data platform that answers late, accepts all and counts."""

import argparse
import asyncio
import time
from typing import cast

import httptools
import msgspec
import uvloop

from devservices.ports import LOOPBACK

_BATCH = b"/order-events/batch"
_SINGLE = b"/order-events"
COUNTS = "/counts"


class Counts(msgspec.Struct, kw_only=True):
    """What has arrived so far. Times on this process's monotonic clock, in seconds."""

    events: int = 0
    calls: int = 0
    repeats: int = 0
    violations: int = 0
    """First arrivals that came before an earlier number of their order."""
    first_at: float = 0.0
    last_at: float = 0.0
    cpu_seconds: float = 0.0


class _Event(msgspec.Struct, rename="camel", gc=False):
    event_id: str
    order_id: str
    seq: int


class _Batch(msgspec.Struct, gc=False):
    events: list[_Event]


class Arrivals:
    """Counts events, order by order."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._last_seq: dict[str, int] = {}

    def note(self, order_id: str, seq: int) -> None:
        """One event."""
        counts, last = self.counts, self._last_seq.get(order_id, 0)
        counts.events += 1
        if seq == last + 1:
            self._last_seq[order_id] = seq
        elif seq <= last:
            counts.repeats += 1
        else:
            counts.violations += 1
            self._last_seq[order_id] = seq

    def call(self) -> None:
        """One call has come in."""
        self.counts.calls += 1
        self.counts.last_at = time.monotonic()
        self.counts.first_at = self.counts.first_at or self.counts.last_at


class PlatformProtocol(asyncio.Protocol):
    """HTTP/1.1 for one connection; requests are answered one after the other, each `latency` seconds late."""

    def __init__(self, arrivals: Arrivals, latency_seconds: float) -> None:
        self._arrivals = arrivals
        self._latency_seconds = latency_seconds
        self._parser = httptools.HttpRequestParser(self)
        self._decoder = msgspec.json.Decoder(_Batch)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers, self._body = {}, []

    def on_url(self, url: bytes) -> None:
        """Its path."""
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of it."""
        self._headers[name.lower()] = value

    def on_body(self, part: bytes) -> None:
        """A piece of its body."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """It is complete: count it now, answer it later."""
        if self._url == COUNTS.encode():
            self._arrivals.counts.cpu_seconds = time.process_time()
            self._answer(msgspec.json.encode(self._arrivals.counts))
            return
        answer = b'{"status":"accepted"}'
        if self._url == _BATCH:
            answer = self._batch(b"".join(self._body))
        elif self._url == _SINGLE:
            self._arrivals.note(self._headers[b"x-order-id"].decode(), int(self._headers[b"x-order-seq"]))
        self._arrivals.call()
        asyncio.get_running_loop().call_later(self._latency_seconds, self._answer, answer)

    def _batch(self, body: bytes) -> bytes:
        events = self._decoder.decode(body).events
        for event in events:
            self._arrivals.note(event.order_id, event.seq)
        results = ",".join([f'{{"eventId":"{event.event_id}","status":"accepted"}}' for event in events])
        return f'{{"results":[{results}]}}'.encode()

    def _answer(self, body: bytes) -> None:
        if self._transport is not None:
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def main(port: int, latency_seconds: float) -> None:
    """Serve until the process is ended."""
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(
        lambda: PlatformProtocol(arrivals, latency_seconds), LOOPBACK, port
    )
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.drain.platform")
    parser.add_argument("port", type=int)
    parser.add_argument("latency_ms", type=float)
    options = parser.parse_args()
    uvloop.run(main(options.port, options.latency_ms / 1000))
