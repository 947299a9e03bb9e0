"""Order events for the tests of the sales: generated, and counted as the sales should count them."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from contracts.envelope import EventMessage
from contracts.order_events import (
    ORDER_CREATED,
    ORDER_PAID,
    OrderCreatedV1,
    OrderItemV1,
    OrderPaidV1,
    PaidOrderV1,
    PlacedOrderV1,
    message_of,
)
from contracts.sales import minute_of
from kits.wire_time import wire_time

START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
Totals = tuple[int, int, int]


class Placed(NamedTuple):
    """One order: who it is, when it was placed, and what it costs."""

    order_id: str
    at: datetime
    currency: str
    quantity: int
    price: int

    @property
    def total(self) -> int:
        return self.quantity * self.price

    def created(self) -> EventMessage:
        """Its first event."""
        item = OrderItemV1(product_id="p-1", name="Product", unit_price=self.price, quantity=self.quantity)
        order = PlacedOrderV1(
            customer_id="c-1", status="PENDING", currency=self.currency, subtotal=self.total, discount=0,
            total=self.total, coupon_code=None, items=[item],
        )  # fmt: skip
        event = OrderCreatedV1(
            event_id=self._event_id(1), event_type=ORDER_CREATED, event_version=1, order_id=self.order_id,
            seq=1, occurred_at=wire_time(self.at), order=order,
        )  # fmt: skip
        return message_of(event, topic="order-events", occurred_at=self.at)

    def paid(self) -> EventMessage:
        """Its second event, which is no sale."""
        order = PaidOrderV1(
            customer_id="c-1", status="PAID", currency=self.currency, subtotal=self.total, discount=0,
            total=self.total, coupon_code=None,
        )  # fmt: skip
        at = self.at + timedelta(seconds=70)
        event = OrderPaidV1(
            event_id=self._event_id(2), event_type=ORDER_PAID, event_version=1, order_id=self.order_id,
            seq=2, occurred_at=wire_time(at), order=order,
        )  # fmt: skip
        return message_of(event, topic="order-events", occurred_at=at)

    def _event_id(self, number: int) -> str:
        return str(UUID(int=UUID(self.order_id).int ^ number))


def generated(
    count: int,
    *,
    seed: int,
    minutes: int = 10,
    start: datetime = START,
    currencies: Sequence[str] = ("KRW", "EUR"),
) -> list[Placed]:
    """So many orders within so many minutes, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same orders every time
    return [
        Placed(
            str(UUID(int=chance.getrandbits(128), version=4)),
            start + timedelta(milliseconds=chance.randrange(minutes * 60_000)),
            chance.choice(currencies),
            chance.randint(1, 4),
            chance.randint(1, 60_000),
        )
        for _ in range(count)
    ]


def counted(orders: Iterable[Placed]) -> dict[str, Totals]:
    """Orders, pieces and revenue of each minute and currency, by its key."""
    found: dict[str, Totals] = {}
    for order in orders:
        key = f"{minute_of(wire_time(order.at))}/{order.currency}"
        count, pieces, revenue = found.get(key, (0, 0, 0))
        found[key] = count + 1, pieces + order.quantity, revenue + order.total
    return found


def changed(message: EventMessage, **members: object) -> bytes:
    """The event's value with other members."""
    return msgspec.json.encode({**msgspec.json.decode(message.payload), **members})
