"""What happens again and again gets a line now and then, with how often it happened."""

import time
from collections import OrderedDict

MAX_CAUSES = 1000


class Repeats:
    """For each cause: the first time at once, then once per `every_seconds`, with the count since the last.

    At most `max_causes` are remembered; beyond it the one that was due longest ago is forgotten.
    """

    def __init__(self, *, every_seconds: float, max_causes: int = MAX_CAUSES) -> None:
        self._every_seconds = every_seconds
        self._max_causes = max_causes
        # Cause -> when it was last due, and how often it came since; in the order of the former.
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def due(self, cause: str) -> int:
        """It happened: 0 if it is not due yet, else how often since it was due last, this time included."""
        now = time.monotonic()
        last, count = self._seen.get(cause, (None, 0))
        if last is not None and now - last < self._every_seconds:
            self._seen[cause] = (last, count + 1)
            return 0
        self._seen[cause] = (now, 0)
        self._seen.move_to_end(cause)
        if len(self._seen) > self._max_causes:
            self._seen.popitem(last=False)
        return count + 1
