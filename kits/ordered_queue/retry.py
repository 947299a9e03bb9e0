"""Ordered queue, rule: when an item that was not done goes again."""

import math
from dataclasses import dataclass, field

from kits.ordered_queue.item import Claim, Kind, Result
from kits.resilience.retry import Backoff

IN_PLACE_SECONDS = 0.1
_RETRY_AFTER_CAP_SECONDS = 120.0
_TIMES_FREE = 2
_REMEMBERED = 1000


_BACKOFF = Backoff(base_seconds=5.0, cap_seconds=120.0)


@dataclass(slots=True)
class RetryPolicy:
    """A first failure goes once more in place; then the item waits in the table, and nobody waits for it.

    What was unavailable three times, while others found the sink there in between, waits as well, so that one
    item cannot keep everybody out.
    """

    backoff: Backoff = _BACKOFF
    stalled_seconds: float = math.inf
    """From which age of its oldest send a sink that gives no results counts as away."""
    _unavailable: dict[str, tuple[int, int]] = field(default_factory=dict)

    def in_place(self, claim: Claim, result: Result) -> bool:
        """Whether it is sent again at once, before anything is written."""
        return result.kind is Kind.FAILED and claim.tries == 1

    def wait_seconds(self, claim: Claim, result: Result, *, closings: int) -> float:
        """How long it waits in the table; `closings` counts how often the sink came back."""
        asked = min(_RETRY_AFTER_CAP_SECONDS, max(0.0, result.retry_after_seconds))
        match result.kind:
            case Kind.FAILED:
                return max(asked, self.backoff.wait_seconds(claim.item.attempts))
            case Kind.UNAVAILABLE:
                times = self._times_unavailable(claim.item.id, closings)
                return self.backoff.wait_seconds(times - _TIMES_FREE) if times > _TIMES_FREE else 0.0
            case _:
                return 0.0

    def _times_unavailable(self, item_id: str, closings: int) -> int:
        times, closed = self._unavailable.pop(item_id, (0, -1))
        times += closed != closings
        self._unavailable[item_id] = (times, closings)
        if len(self._unavailable) > _REMEMBERED:
            del self._unavailable[next(iter(self._unavailable))]
        return times
