"""Delivery: who fails alone. A failure counts against an event only when others show the platform works."""

from collections import OrderedDict

from worker.delivery.lanes import LaneKey

_PROVEN = 10_000


class Suspects:
    """Proof is the success of another order's call that was begun later and comes in after the failure.

    What came in before may be of the time before an outage that meets everybody. At most one suspicion per
    event: its last failed call. The breaker's every change ends suspicions and proofs.
    """

    def __init__(self) -> None:
        self._suspects: dict[str, tuple[LaneKey, int]] = {}
        self._proven: OrderedDict[str, bool] = OrderedDict()

    def failed(self, event_id: str, order: LaneKey, call: int) -> None:
        """Take a suspicion in place of the event's former one."""
        self._suspects[event_id] = (order, call)

    def succeeded(self, order: LaneKey, call: int) -> None:
        """The call of this number has succeeded for this order."""
        proven = [
            event_id
            for event_id, (failed_order, failed_call) in self._suspects.items()
            if failed_order != order and failed_call < call
        ]
        for event_id in proven:
            del self._suspects[event_id]
            self._proven[event_id] = True
        while len(self._proven) > _PROVEN:
            self._proven.popitem(last=False)

    def take_proof(self, event_id: str) -> bool:
        """Whether others have shown that the event's last failure was its own; told once."""
        return self._proven.pop(event_id, False)

    def drop(self, event_id: str) -> None:
        """End what there is against an event."""
        self._suspects.pop(event_id, None)
        self._proven.pop(event_id, None)

    def clear(self) -> None:
        """Forget what there is against anybody."""
        self._suspects.clear()
        self._proven.clear()
