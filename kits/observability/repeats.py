"""Repeats: lets the first of many like lines through, so that a log tells of each cause once."""

import time
from collections.abc import Callable

_MAX_CAUSES = 1000


class Repeats:
    """Of each cause one line per `seconds`; at most 1,000 causes are remembered."""

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._again_at: dict[str, float] = {}

    def is_first(self, cause: str) -> bool:
        """Whether a line about this cause is due; counts as written if so."""
        now = self._clock()
        if now < self._again_at.get(cause, 0.0):
            return False
        if len(self._again_at) >= _MAX_CAUSES:
            self._again_at.clear()
        self._again_at[cause] = now + self._seconds
        return True
