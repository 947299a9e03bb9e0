"""Domain events: what happened to an order, told inside this process only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.order import Order, OrderStatus
from app.domain.payment import Payment, RefusalReason


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


@dataclass(frozen=True, slots=True)
class OrderMovedEvent:
    """An order went on at `occurred_at`. `order` is the order as it was right after that."""

    order: Order
    occurred_at: datetime

    @property
    def seq(self) -> int:
        """The number of this event among the events of its order: the order's version."""
        return self.order.version


@dataclass(frozen=True, slots=True)
class OrderPaidEvent(OrderMovedEvent):
    """The order was paid, in time."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class OrderPaymentRefusedEvent(OrderMovedEvent):
    """A payment came that the order does not take: it stays where it stands, and the money goes back."""

    payment: Payment
    reason: RefusalReason


class OrderFulfilledEvent(OrderMovedEvent):
    """What was paid has been handed over."""

    __slots__ = ()


class OrderCancelledEvent(OrderMovedEvent):
    """The order was called off before it was paid; its pieces and its coupon use were released."""

    __slots__ = ()


class OrderExpiredEvent(OrderMovedEvent):
    """Nobody paid in time; its pieces and its coupon use were released."""

    __slots__ = ()


OrderEvent = OrderCreatedEvent | OrderMovedEvent
"""Any event of an order."""

_MOVED: Mapping[OrderStatus, type[OrderMovedEvent]] = {
    OrderStatus.FULFILLED: OrderFulfilledEvent,
    OrderStatus.CANCELLED: OrderCancelledEvent,
    OrderStatus.EXPIRED: OrderExpiredEvent,
}


def moved(order: Order, *, occurred_at: datetime) -> OrderMovedEvent:
    """The event that tells how this order came to where it stands: fulfilled, cancelled or expired."""
    return _MOVED[order.status](order, occurred_at)
