"""Kafka kit, receiving: two living members with one instance id throw each other out for ever; see it."""

from collections import deque
from collections.abc import Callable

_ENOUGH = 3
_WITHIN_SECONDS = 60.0


class Evictions:
    """How often the group threw this member out. Once is a restart that overlapped, or a long pause."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_ENOUGH)

    def note(self) -> bool:
        """Count one more; True when it was the third within a minute: somebody else has our instance id."""
        self._times.append(self._clock())
        return len(self._times) == _ENOUGH and self._times[-1] - self._times[0] <= _WITHIN_SECONDS
