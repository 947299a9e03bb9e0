"""Entrance: `python -m bench.open_loop` sends requests when they are due, however late the answers are.

A closed loop asks less while the server is slow, and so hides its slow moments ("coordinated omission", Gil
Tene, 2013; wrk2). Here requests arrive like customers do, by a Poisson process, and a latency counts from
the moment when its request was due, not from when a connection was free for it.
"""

import asyncio
import random
import sys
from collections import deque
from itertools import count

import msgspec
import uvloop

from bench.paced_connection import PacedConnection
from bench.results import Run

_ACCEPTED = 202
_TICK_SECONDS = 0.001
_LAST_ANSWERS_SECONDS = 10.0


class Pace(msgspec.Struct, kw_only=True):
    """What to send: how many requests per second, for how long (after a warm-up), to whom."""

    host: str
    port: int
    path: str
    per_second: float
    seconds: float
    warm_up_seconds: float
    connections: int
    tokens: list[str]
    bodies: list[str]
    key_prefix: str
    seed: int


class OpenLoop:
    """Sends by the clock on any free connection; what finds none free waits, and its latency grows."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._rng = random.Random(pace.seed)  # noqa: S311 - load, no secret
        self._free: deque[PacedConnection] = deque()
        self._due: deque[float] = deque()
        self._numbers = count()
        self._latencies: list[float] = []
        self._answers = self._refused = self._broken = self._open = 0
        self._measured_from = 0.0
        self._heads = [_head(pace, token) for token in pace.tokens]
        self._tails = [f"\r\nContent-Length: {len(body)}\r\n\r\n{body}" for body in pace.bodies]

    async def run(self) -> Run:
        """The whole load; returns when the last answer is there, or 10 s after the last request."""
        loop = asyncio.get_running_loop()
        connections = [await self._connect() for _ in range(self._pace.connections)]
        self._free.extend(connections)
        began = loop.time()
        self._measured_from = began + self._pace.warm_up_seconds
        await self._send_all(began, until=self._measured_from + self._pace.seconds)
        give_up_at = loop.time() + _LAST_ANSWERS_SECONDS
        while (self._open or self._due) and loop.time() < give_up_at:  # noqa: ASYNC110 - bounded
            await asyncio.sleep(_TICK_SECONDS)
        self._broken += self._open + len(self._due)
        for connection in connections:
            connection.close()
        return self._result()

    async def _connect(self) -> PacedConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: PacedConnection(self._answered), self._pace.host, self._pace.port
        )
        return connection

    async def _send_all(self, began: float, *, until: float) -> None:
        loop = asyncio.get_running_loop()
        next_at = began
        while next_at < until:
            while next_at <= loop.time() and next_at < until:
                self._due.append(next_at)
                next_at += self._rng.expovariate(self._pace.per_second)
            self._send_due()
            await asyncio.sleep(_TICK_SECONDS)

    def _send_due(self) -> None:
        while self._due and self._free:
            request = self._rng.choice(self._heads) + str(next(self._numbers)) + self._rng.choice(self._tails)
            self._open += 1
            self._free.popleft().send(request.encode(), self._due.popleft())

    def _answered(self, connection: PacedConnection, status: int) -> None:
        self._open -= 1
        self._answers += status == _ACCEPTED
        self._broken += status == 0
        self._refused += status not in {0, _ACCEPTED}
        if connection.scheduled_at >= self._measured_from:
            self._latencies.append(asyncio.get_running_loop().time() - connection.scheduled_at)
        connection.scheduled_at = 0.0
        if status:
            self._free.append(connection)
            self._send_due()

    def _result(self) -> Run:
        ordered = sorted(self._latencies) or [0.0]
        return Run(
            answers=self._answers,
            seconds=self._pace.seconds + self._pace.warm_up_seconds,
            refused=self._refused,
            broken=self._broken,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
        )


def _head(pace: Pace, token: str) -> str:
    return (
        f"POST {pace.path} HTTP/1.1\r\nHost: {pace.host}:{pace.port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {pace.key_prefix}"
    )


if __name__ == "__main__":
    measured = uvloop.run(OpenLoop(msgspec.json.decode(sys.stdin.buffer.read(), type=Pace)).run())
    sys.stdout.buffer.write(msgspec.json.encode(measured))
