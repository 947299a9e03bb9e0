"""Outbox: notices that Kafka is away. Sends do not fail then, they wait, so the breaker goes by their age."""

import time
from collections.abc import Callable


class PublishBreaker:
    """Open while sends make no progress: nothing new is claimed, orders go on, the outbox keeps their events.

    It opens when something has been pending for `stalled_seconds` without any send completing, or when
    `max_pending` rows are pending. The next completed send closes it.
    """

    def __init__(
        self, *, stalled_seconds: float, max_pending: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stalled_seconds = stalled_seconds
        self._max_pending = max_pending
        self._clock = clock
        self._last_progress = clock()
        self.is_open = False

    def look(self, *, pending: int, oldest_seconds: float) -> bool:
        """Take notice of the pending sends; True if this look opened the breaker."""
        stalled = min(oldest_seconds, self._clock() - self._last_progress) >= self._stalled_seconds
        if self.is_open or not (pending >= self._max_pending or (pending and stalled)):
            return False
        self.is_open = True
        return True

    def completed(self) -> bool:
        """A send was acknowledged; True if that closed the breaker."""
        self._last_progress = self._clock()
        was_open, self.is_open = self.is_open, False
        return was_open
