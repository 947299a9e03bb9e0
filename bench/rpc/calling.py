"""The caller's side of an echo: so many calls in flight for so long, and what they took."""

import asyncio
import math
import time
from typing import Protocol

import msgspec

from kits.process.garbage_collection import long_lived_objects_set_aside

WARM_UP_SECONDS = 1.0


class Message(msgspec.Struct):
    """What is echoed; about what a small command has."""

    number: int
    text: str = "x" * 100


class Echo(Protocol):
    """Somebody who can be asked."""

    async def ask(self, message: Message) -> Message:
        """The same message."""
        ...


class Called(msgspec.Struct):
    """What one run came to."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the caller per call."""

    @property
    def per_second(self) -> float:
        """Round trips per second."""
        return self.calls / self.seconds


async def measure(echo: Echo, in_flight: int, seconds: float) -> Called:
    """Warm up, then call.

    Raises:
        AssertionError: a reply was another's.
    """
    await _call(echo, in_flight, WARM_UP_SECONDS)
    # As the product's processes do.
    with long_lived_objects_set_aside():
        began, cpu = time.perf_counter(), time.process_time()
        took = sorted(await _call(echo, in_flight, seconds))
        elapsed = time.perf_counter() - began
    return Called(
        calls=len(took),
        seconds=elapsed,
        p50_ms=_percentile(took, 50),
        p99_ms=_percentile(took, 99),
        cpu_us=(time.process_time() - cpu) / len(took) * 1e6,
    )


async def _call(echo: Echo, in_flight: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def one(number: int) -> None:
        while (began := time.perf_counter()) < until:
            reply = await echo.ask(Message(number))
            if reply.number != number:
                raise AssertionError("a call got the reply of another")
            took.append(time.perf_counter() - began)
            number += in_flight

    await asyncio.gather(*(one(number) for number in range(in_flight)))
    return took


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] * 1000
