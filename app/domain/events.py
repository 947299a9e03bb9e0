"""Domain events: what happened to an order, told inside this process only."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.order import Order


@dataclass(frozen=True, slots=True)
class OrderCreatedEvent:
    """An order was placed. `order` is the order as it was right after that."""

    order: Order

    @property
    def seq(self) -> int:
        """The number of this event among the events of its order: the order's version."""
        return self.order.version

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return self.order.created_at


OrderEvent = OrderCreatedEvent
"""Any event of an order."""
