"""The network between the processes: a TCP proxy that delays, holds, loses and breaks."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from devservices.ports import LOOPBACK

_CHUNK = 64 * 1024
_CONNECT_SECONDS = 5.0
# Linger on, for no time at all: closing such a socket sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Weather(StrEnum):
    """What the network does."""

    FAIR = "fair"
    DELAY = "delay"
    """Every chunk comes later, in both directions."""
    RESET = "reset"
    """Connections are reset now, and new ones as soon as they are accepted."""
    BLACK_HOLE = "black-hole"
    """Nothing moves and nobody is told; what was held goes on afterwards, as TCP would send it again."""
    SLOW_CLOSE = "slow-close"
    """What clients send still arrives, answers are lost, and each connection is closed a while later."""


class Gate(Protocol):
    """Decides about each chunk."""

    async def __call__(self, *, answer: bool) -> bool:
        """Wait until it may go on; False when it is lost."""
        ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """A weather; `seconds` is the delay of each chunk, or the time until a slow close."""

    weather: Weather = Weather.FAIR
    seconds: float = 0.0


class FaultProxy:
    """Forwards connections to `target()`, a port on this machine that is asked for anew each time.

    It listens from `start()` to `stop()` on one port, whatever becomes of the target; a target that refuses
    or has no port ends the client's connection with a reset.
    """

    def __init__(self, target: Callable[[], int | None]) -> None:
        self._target = target
        self._forecast = Forecast()
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        self.change(Forecast())
        for link in tuple(self._links):
            link.reset()
        if self._serving:
            await asyncio.wait(self._serving, timeout=_CONNECT_SECONDS)

    def change(self, forecast: Forecast) -> None:
        """Another weather, at once, for the connections that are there too."""
        self._forecast = forecast
        self._changed.set()
        self._changed = asyncio.Event()
        for link in tuple(self._links):
            self._rain_on(link)

    def _rain_on(self, link: "_Link") -> None:
        if self._forecast.weather is Weather.RESET:
            link.reset()
        elif self._forecast.weather is Weather.SLOW_CLOSE:
            link.close_in(self._forecast.seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        self._links.add(link)
        self._rain_on(link)
        try:
            await link.run(self._target(), self._pass)
        finally:
            link.reset()
            self._links.discard(link)

    async def _pass(self, *, answer: bool) -> bool:
        """Wait until a chunk may go on; False when it is lost."""
        while self._forecast.weather is Weather.BLACK_HOLE:
            await self._changed.wait()
        if self._forecast.weather is Weather.DELAY:
            await asyncio.sleep(self._forecast.seconds)
        return not (answer and self._forecast.weather is Weather.SLOW_CLOSE)


class _Link:
    """One connection through the proxy: two directions that end together."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writers = [writer]
        self._closing: asyncio.TimerHandle | None = None

    async def run(self, port: int | None, may_pass: Gate) -> None:
        """Forward until one side ends."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(LOOPBACK, port or 0)
        except (OSError, TimeoutError):
            return
        self._writers.append(writer)
        client = self._writers[0]
        ways = [
            asyncio.ensure_future(_forward(self._reader, writer, may_pass, answer=False)),
            asyncio.ensure_future(_forward(reader, client, may_pass, answer=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # Its last bytes are written: a FIN carries them out, a reset would throw them away.
            for each in self._writers:
                each.close()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def close_in(self, seconds: float) -> None:
        """End the connection in order, later."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(seconds, self._close)

    def _close(self) -> None:
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Break the connection on both sides, unless it has ended."""
        if self._closing is not None:
            self._closing.cancel()
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None and not writer.is_closing():
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    may_pass: Gate,
    *,
    answer: bool,
) -> None:
    """Copy one direction until its end, which is told as late as its bytes would be."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            if await may_pass(answer=answer):
                writer.write(chunk)
                await writer.drain()
        await may_pass(answer=answer)
