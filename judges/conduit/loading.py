"""Loads a gateway by a closed loop: each connection asks again as soon as it has its answer."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bench.latency import percentile
from bench.paced_connection import BROKEN, PacedConnection
from bench.results import Run
from devservices.errors import DevServicesError

_LAST_ANSWERS_SECONDS = 30.0


class UnansweredError(DevServicesError):
    """A gateway does not answer any more."""

    code = "unanswered"


class Load:
    """Requests of one kind for one gateway, made when they are sent; one status is their answer."""

    def __init__(self, url: str, status: int, requests: Iterator[bytes]) -> None:
        self._host, _, port = urlsplit(url).netloc.partition(":")
        self._port = int(port)
        self._status = status
        self._requests = requests

    async def run(self, in_flight: int, *, seconds: float = 0.0, at_least: int = 0) -> Run:
        """Ask for so long, and so often; what is under way then is waited for and counts.

        Raises:
            UnansweredError: the last answers did not come.
        """
        loop = _ClosedLoop(self._status, self._requests, until=time.perf_counter() + seconds, left=at_least)
        return await loop.run(self._host, self._port, in_flight)


class _ClosedLoop:
    """One run. The clock is the performance counter, for its resolution."""

    def __init__(self, status: int, requests: Iterator[bytes], *, until: float, left: int) -> None:
        self._status = status
        self._requests = requests
        self._until = until
        self._left = left
        self._took: list[float] = []
        self._refused = self._broken = self._open = 0
        self._done = asyncio.Event()

    async def run(self, host: str, port: int, in_flight: int) -> Run:
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(lambda: PacedConnection(self._answered), host, port)
            for _ in range(in_flight)
        ]
        connections = [connection for _, connection in opened]
        began = time.perf_counter()
        for connection in connections:
            self._open += 1
            self._send(connection)
        try:
            await asyncio.wait_for(self._done.wait(), self._until - began + _LAST_ANSWERS_SECONDS)
        except TimeoutError:
            raise UnansweredError(f"{self._open} requests to {host}:{port} were not answered.") from None
        finally:
            for connection in connections:
                connection.close()
        return Run(
            answers=len(self._took),
            seconds=time.perf_counter() - began,
            refused=self._refused,
            broken=self._broken,
            p50_ms=percentile(self._took, 50),
            p99_ms=percentile(self._took, 99),
        )

    def _send(self, connection: PacedConnection) -> None:
        self._left -= 1
        connection.send(next(self._requests), time.perf_counter())

    def _answered(self, connection: PacedConnection, status: int) -> None:
        now = time.perf_counter()
        self._broken += status == BROKEN
        self._refused += status not in {BROKEN, self._status}
        if status == self._status:
            self._took.append((now - connection.scheduled_at) * 1000)
        connection.scheduled_at = 0.0
        if status != BROKEN and (now < self._until or self._left > 0):
            self._send(connection)
            return
        self._open -= 1
        if not self._open:
            self._done.set()


def request(method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str = "") -> bytes:
    """One request of HTTP/1.1 on a connection that is kept."""
    lines = [f"{method} {path} HTTP/1.1", "Host: conduit"]
    if token:
        lines.append(f"Authorization: Token {token}")
    content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
