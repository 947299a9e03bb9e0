"""Delivery: the assignment under which the group member works now."""

from dataclasses import dataclass

from worker.delivery.event import Event


@dataclass(slots=True)
class Epoch:
    """The number of the current assignment, and whether it is still ours to work on."""

    number: int = 0
    is_live: bool = False

    def owns(self, event: Event) -> bool:
        """Whether an event was taken under the current assignment, and that has not ended."""
        return self.is_live and event.epoch == self.number
