"""Ordered queue, time: the holder's own clock, by which it stops sending before its lease ends."""

import time
from typing import Protocol

_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Seconds that only grow; where they begin means nothing."""

    def now(self) -> float:
        """The time now."""
        ...


class BootClock:
    """Goes on while the machine sleeps, where the system has such a clock: leases end meanwhile."""

    def now(self) -> float:
        """Seconds since the machine was started, or since an unknown moment."""
        return time.monotonic() if _BOOT_TIME is None else time.clock_gettime(_BOOT_TIME)
