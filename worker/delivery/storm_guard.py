"""Delivery: the storm guard. Many dead letters at once have another cause: stop, and let people decide."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.delivery.verdicts import Status, Verdict

WINDOW = 200
LIMIT = 10


@dataclass(frozen=True, slots=True)
class Trip:
    """What the ledger says of the last storm: when the group stopped, whether it was released, who may die.

    `event_ids` are the events that were about to die: after the release they do not count again. They are
    given once it was released.
    """

    tripped_at: datetime
    is_released: bool
    event_ids: frozenset[str] = frozenset()


class StormGuard:
    """Stops the group at the 11th dead letter among the last 200 judged events.

    Held events are not judged, so they do not count. Closed until the ledger was asked whether the group
    stands already.
    """

    def __init__(self, on_trip: Callable[[], None]) -> None:
        """Args: on_trip: told whenever dead letters were refused."""
        self._on_trip = on_trip
        # The id of each dead event, None for a delivered one.
        self._window: deque[str | None] = deque(maxlen=WINDOW)
        self._dead = 0
        self._excused: set[str] = set()
        self.unsaved: set[str] = set()
        """Events that were refused and are not in the ledger's row yet."""
        self.is_open = False
        self.trip: Trip | None = None
        """The storm as the ledger knows it, while it stands."""

    @property
    def has_tripped(self) -> bool:
        """The group stands until somebody releases it."""
        return not self.is_open and (self.trip is not None or bool(self.unsaved))

    def judged(self, verdict: Verdict) -> None:
        """An event that is not dead was decided; the delivered ones count."""
        if verdict.status is Status.DELIVERED:
            self._note(None)

    def admits(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether these events may die: all of them or none. One that comes again counts once."""
        event_ids = {verdict.event.event_id for verdict in verdicts}
        fresh = event_ids - self._excused - set(self._window)
        if not self.is_open or (fresh and self._would_be(len(fresh)) > LIMIT):
            self.is_open = False
            self.unsaved |= event_ids
            self._on_trip()
            return False
        for event_id in fresh:
            self._note(event_id)
        self._excused -= event_ids
        return True

    def saved(self, event_ids: Collection[str]) -> None:
        """The ledger's row has them."""
        self.unsaved.difference_update(event_ids)

    def follow(self, trip: Trip | None) -> bool:
        """Do as the ledger's row says, None being no storm; True if the group goes on by it."""
        if trip is not None and not trip.is_released:
            self.trip, self.is_open = trip, False
            return False
        if self.is_open or self.unsaved:
            return False
        self._excused |= trip.event_ids if trip else set()
        self._window.clear()
        self._dead = 0
        self.trip, self.is_open = None, True
        return True

    def _would_be(self, more: int) -> int:
        leaving = max(0, len(self._window) + more - WINDOW)
        gone = sum(1 for place, dead in enumerate(self._window) if dead is not None and place < leaving)
        return min(WINDOW, more) + self._dead - gone

    def _note(self, dead: str | None) -> None:
        if len(self._window) == WINDOW:
            self._dead -= self._window[0] is not None
        self._window.append(dead)
        self._dead += dead is not None
