"""Delivery: who fails alone. A failure counts against an event only when others show the platform works."""

from collections import OrderedDict
from dataclasses import dataclass

from worker.delivery.failures import Answer, Outcome
from worker.delivery.heads import Head
from worker.delivery.lanes import LaneKey

_NOBODY: LaneKey = ""
_CREDITS = 10_000


@dataclass(slots=True, eq=False)
class Suspect:
    """An event whose last call, number `call`, failed in a way that may be its own fault.

    `is_parked`: it has left for the ledger meanwhile.
    """

    head: Head
    call: int
    outcome: Outcome
    answer: Answer
    is_parked: bool = False


class Suspects:
    """Proof is the success of another order's call that was begun later, be it before or after the failure.

    At most one suspicion per event: its last failed call. The breaker's every change ends all of them, since
    what failed while the platform was away proves nothing.
    """

    def __init__(self) -> None:
        self._suspects: dict[str, Suspect] = {}
        self._credits: OrderedDict[str, bool] = OrderedDict()
        # The latest successful calls of two different orders: one of them is another's, whoever asks.
        self._latest: tuple[LaneKey, int] = (_NOBODY, -1)
        self._second: tuple[LaneKey, int] = (_NOBODY, -1)

    def failed(self, suspect: Suspect) -> bool:
        """Take a suspicion in place of the event's former one; True if it is proven already."""
        self.drop(suspect.head.event.event_id)
        own = suspect.head.lane.key
        _, latest = self._latest if self._latest[0] != own else self._second
        if latest > suspect.call:
            return True
        self._suspects[suspect.head.event.event_id] = suspect
        return False

    def succeeded(self, order: LaneKey, call: int) -> list[Suspect]:
        """A call of this order has succeeded; returns the heads that this proves to fail alone.

        A parked event gets a credit instead, which counts when it is tried again.
        """
        self._remember(order, call)
        if not self._suspects:
            return []
        proven = [
            each for each in self._suspects.values() if each.head.lane.key != order and each.call < call
        ]
        for suspect in proven:
            event_id = suspect.head.event.event_id
            del self._suspects[event_id]
            if suspect.is_parked:
                self._credits[event_id] = True
        while len(self._credits) > _CREDITS:
            self._credits.popitem(last=False)
        return [suspect for suspect in proven if not suspect.is_parked]

    def take_credit(self, event_id: str) -> int:
        """The attempts that a parked event has spent without being told: 0 or 1."""
        return int(self._credits.pop(event_id, False))

    def drop(self, event_id: str) -> None:
        """End a suspicion."""
        self._suspects.pop(event_id, None)

    def clear(self) -> None:
        """Forget all suspicions and successes."""
        self._suspects.clear()
        self._latest = self._second = (_NOBODY, -1)

    def _remember(self, order: LaneKey, call: int) -> None:
        if order == self._latest[0]:
            self._latest = (order, max(call, self._latest[1]))
        elif call > self._latest[1]:
            self._second, self._latest = self._latest, (order, call)
        elif call > self._second[1]:
            self._second = (order, call)
