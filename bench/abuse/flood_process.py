"""Entrance: `python -m bench.abuse.flood_process`: a plan on stdin, counts of answers on stdout."""

import asyncio
import os
import re
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import uvloop

from bench.abuse.floods import Behaviour, Flood
from devservices.ports import LOOPBACK

_AGAIN_SECONDS = 0.1
_DRIP_SECONDS = 1.0
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class FloodPlan(msgspec.Struct, kw_only=True):
    """What to send where, on this machine alone, and for how long."""

    port: int
    ops_port: int
    seconds: float
    floods: Sequence[Flood]


async def flood_all(plan: FloodPlan) -> dict[str, dict[str, int]]:
    """All floods at once; the answers of each by status, and how often a connection ended without one."""
    counts = {flood.name: Counter[str]() for flood in plan.floods}
    senders = [
        asyncio.create_task(_keep_sending(flood, plan, counts[flood.name]))
        for flood in plan.floods
        for _ in range(flood.connections)
    ]
    await asyncio.wait(senders, timeout=plan.seconds)
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    return {name: dict(counter) for name, counter in counts.items()}


async def _keep_sending(flood: Flood, plan: FloodPlan, counts: Counter[str]) -> None:
    while True:
        try:
            streams = await asyncio.open_connection(LOOPBACK, plan.ops_port if flood.ops else plan.port)
        except OSError:
            counts["not connected"] += 1
        else:
            try:
                await _Sender(flood, *streams, counts).send()
            except (OSError, asyncio.IncompleteReadError):
                counts["closed"] += 1
            finally:
                streams[1].transport.abort()
        await asyncio.sleep(_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class _Sender:
    """One connection of a flood, until it is closed."""

    flood: Flood
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    counts: Counter[str]

    async def send(self) -> None:
        match self.flood.behaviour:
            case Behaviour.ASK:
                await self._ask()
            case Behaviour.IGNORE:
                await self._ignore()
            case _:
                answer = asyncio.create_task(self._answer())
                try:
                    await self._pass_time(answer)
                    self.counts[await answer] += 1
                finally:
                    answer.cancel()
                    await asyncio.gather(answer, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            self.writer.write(self.flood.request)
            self.counts[await self._answer()] += 1

    async def _ignore(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while True:
            self.writer.write(self.flood.request)
            await self.writer.drain()

    async def _pass_time(self, answer: asyncio.Task[str]) -> None:
        if self.flood.behaviour is Behaviour.DRIP:
            for byte in self.flood.request:
                self.writer.write(bytes([byte]))
                if (await asyncio.wait({answer}, timeout=_DRIP_SECONDS))[0]:
                    return
        elif self.flood.behaviour is Behaviour.POUR:
            self.writer.write(self.flood.request)
            while not answer.done():
                self.writer.write(self.flood.rest)
                await self.writer.drain()
                await asyncio.sleep(0)

    async def _answer(self) -> str:
        head = await self.reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            await self.reader.readexactly(int(length.group(1)))
        return head[9:12].decode()


if __name__ == "__main__":
    # Strangers come from other machines: what they need to send must not be taken from the shop's processor.
    os.nice(19)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counted = uvloop.run(flood_all(msgspec.json.decode(sys.stdin.buffer.read(), type=FloodPlan)))
    sys.stdout.buffer.write(msgspec.json.encode(counted))
