"""Request-reply, deadlines: how long a call may take; what it calls itself gets what is left."""

import math
import time
from contextvars import ContextVar
from typing import Protocol

DEFAULT_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""No request waits longer, whatever its caller says; one that says nothing (NestJS) waits that long."""

current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)
"""When the caller of the handler that runs here stops waiting, in seconds since 1970; None outside of one."""


class WallClock(Protocol):
    """Seconds since 1970, as other machines have them too."""

    def now(self) -> float:
        """The time now."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """See WallClock."""
        return time.time()


def deadline_of(timeout: float | None, now: float) -> float:
    """When a call that begins now stops waiting: after `timeout` seconds, or what is left of its caller's."""
    inherited = current_deadline.get()
    until = now + min(LONGEST_SECONDS, DEFAULT_SECONDS if timeout is None else timeout)
    return until if inherited is None else min(until, inherited)


def seconds_left() -> float:
    """How long the caller of whatever runs here still waits; without end outside of a handler."""
    inherited = current_deadline.get()
    return math.inf if inherited is None else inherited - time.time()


def expiry_of(deadline_ms: int | None, written_ms: int, now: float) -> float:
    """When a request that came expires, in seconds since 1970; by the broker's time if it does not say.

    One whose time of writing lies in the future (a stranger's, or a clock's fault) counts as written now.
    """
    latest = min(written_ms / 1000, now) + LONGEST_SECONDS
    return latest if deadline_ms is None else min(latest, deadline_ms / 1000)
