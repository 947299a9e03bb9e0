"""What a shop must know of its orders, as a model of them keeps it."""

from dataclasses import dataclass, field, replace

from app.domain.order import Order, OrderStatus


@dataclass
class Expected:
    """What the shop must know of an order."""

    order: Order
    overdue: bool = False
    payments: dict[str, Order | str] = field(default_factory=dict)
    """By reference: the order right after it, or where it stood when it was refused."""

    def refuse(self, reference: str) -> None:
        """One number later, where it stands."""
        self.order = self.order.with_payment_refused()
        self.payments[reference] = self.order.status

    def move(self, status: OrderStatus) -> None:
        """One number later, at this status."""
        self.order = replace(self.order, status=status, version=self.order.version + 1)
