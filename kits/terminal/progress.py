"""Terminal kit: how far a command is: a bar on a terminal, plain lines anywhere else."""

import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 24
_BAR_SECONDS = 0.1
_LINE_SECONDS = 5.0


class Progress:
    """Shows `done` of `total` on a stream; a bar is drawn ten times a second at most, a line every 5 s."""

    def __init__(
        self, total: int, what: str, *, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._what = what
        self._stream = stream
        self._clock = clock
        self._is_bar = stream.isatty()
        self._interval = _BAR_SECONDS if self._is_bar else _LINE_SECONDS
        self._shown_at = clock() - (self._interval if self._is_bar else 0.0)

    def show(self, done: int, more: str = "") -> None:
        """Tell how far it is, unless that was told a moment ago."""
        if self._clock() - self._shown_at >= self._interval:
            self._write(done, more)

    def end(self, done: int, more: str = "") -> None:
        """Tell how far it came."""
        self._write(done, more)
        if self._is_bar:
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, done: int, more: str) -> None:
        self._shown_at = self._clock()
        told = f"{done} of {self._total} {self._what}{', ' if more else ''}{more}"
        if self._is_bar:
            full = _WIDTH * done // max(1, self._total)
            self._stream.write(f"\r\x1b[K[{'#' * full}{'.' * (_WIDTH - full)}] {told}")
        else:
            self._stream.write(f"{told}\n")
        self._stream.flush()
