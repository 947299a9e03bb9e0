"""Ctrl-C, SIGTERM and a closed terminal: the first asks for an orderly end, the second for a quick one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequestedError(Exception):
    """Somebody asked for the end; raised only where a run looks, so that nothing is left half started."""


class StopRequest:
    """Whether somebody asked for the end, and whether they asked again."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurry = threading.Event()

    def check(self) -> None:
        """Raises StopRequestedError once the end was asked for."""
        if self.asked.is_set():
            raise StopRequestedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals of this process until the block ends."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            (self.hurry if self.asked.is_set() else self.asked).set()

        before = {number: signal.signal(number, on_signal) for number in NUMBERS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
