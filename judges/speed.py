"""Judges, speed: `python -m judges.speed` measures echoes of ours and of NestJS, in turns on one broker.

Each side is a service and a client in two processes; nothing is asserted of the figures.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

import msgspec

from devservices import throwaway
from judges.packages import NEST_VERSIONS
from judges.programs import CLIENT, OURS, SERVED, SERVICE, Program, nest_program, our_program
from judges.topics import make_topics

ROUNDS = 3
SECONDS = 3.0
WARM_UP_SECONDS = 2.0
LOADS = {1: 2.0, 64: 4.0}
"""How many calls are in flight, and how many times NestJS's round trips ours are to be."""
P99_MS = 20.0
ARTICLE = {"title": "Träume", "tags": ["a", "b"], "words": 3}


class Measured(msgspec.Struct, frozen=True):
    """One run of a client; calls are whole round trips."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float


Runs = Mapping[tuple[str, int], Sequence[Measured]]


async def measure(servers: str) -> Runs:
    """Every side under every load, the sides in turns."""
    runs: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        clients = {
            side: await stack.enter_async_context(_pair(side, servers)) for side in (OURS, *NEST_VERSIONS)
        }
        for client in clients.values():
            await _run(client, max(LOADS), WARM_UP_SECONDS)
        for _ in range(ROUNDS):
            for load in LOADS:
                for side, client in clients.items():
                    runs[side, load].append(await _run(client, load, SECONDS))
    return runs


@asynccontextmanager
async def _pair(side: str, servers: str) -> AsyncIterator[Program]:
    """The client of a side, beside its service."""
    prefix = f"speed-{side}"
    if side == OURS:
        service, client = our_program(SERVICE, servers, prefix), our_program(CLIENT, servers, prefix)
    else:
        await make_topics(servers, prefix, [*SERVED, "echo.reply"])
        service = nest_program(SERVICE, side, servers, prefix)
        client = nest_program(CLIENT, side, servers, prefix, "echo")
    async with service, client as asking:
        yield asking


async def _run(client: Program, load: int, seconds: float) -> Measured:
    told: Any = await client.ask(measure="echo", data=ARTICLE, concurrency=load, seconds=seconds)
    return msgspec.convert(told, Measured)


def table(runs: Runs) -> str:
    """For a reader at a terminal: medians of the rounds, and what they are to be."""
    lines = ["round trips of an echo     in flight     per second     p50 ms     p99 ms     ours / this"]
    for load, times in LOADS.items():
        own = per_second(runs[OURS, load])
        for side in (OURS, *NEST_VERSIONS):
            found = runs[side, load]
            p50, p99 = median(run.p50_ms for run in found), median(run.p99_ms for run in found)
            ratio = "" if side == OURS else f"{own / per_second(found):.1f} (goal: {times:.0f} or more)"
            lines.append(f"{side:20}{load:16}{per_second(found):15,.0f}{p50:11.2f}{p99:11.2f}     {ratio}")
    worst = max(run.p99_ms for run in runs[OURS, max(LOADS)])
    lines.append(
        f"ours at {max(LOADS)} in flight: p99 {worst:.1f} ms in the worst round (goal: under {P99_MS:.0f})"
    )
    return "\n".join(lines)


def per_second(runs: Sequence[Measured]) -> float:
    """The median of the rounds."""
    return median(run.calls / run.seconds for run in runs)


def main() -> int:
    """Measure on a broker of its own, and print."""
    stack = throwaway.claim("judges", fsync=False)
    try:
        stack.kafka.start()
        print(table(asyncio.run(measure(stack.kafka.bootstrap_servers))))
    except KeyboardInterrupt:
        print("Interrupted: the broker is stopped and deleted.", file=sys.stderr)
        return 1
    finally:
        throwaway.release(stack)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
