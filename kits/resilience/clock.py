"""Clocks for deadlines: seconds that only grow."""

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Seconds that only grow; where they begin means nothing."""

    def now(self) -> float:
        """The time now."""
        ...


class BootClock:
    """Goes on while the machine sleeps, where the system has such a clock: leases end meanwhile."""

    def __init__(self) -> None:
        # The system's own call: it is asked several times per item.
        self.now: Callable[[], float] = (
            time.monotonic if _BOOT_TIME is None else partial(time.clock_gettime, _BOOT_TIME)
        )
        """Seconds since the machine was started, or since an unknown moment."""
