"""Use cases: turns a domain event into its wire contract and final bytes."""

from app.application.ports import NewId
from app.domain.events import OrderCreatedEvent
from app.domain.order import Order
from contracts.envelope import EventMessage, wire_time
from contracts.order_events import (
    AGGREGATE_TYPE,
    ORDER_CREATED,
    OrderCreatedV1,
    OrderItemV1,
    PlacedOrderV1,
    encode,
)
from contracts.topics import ORDER_EVENTS


class OrderContracts:
    """Knows for each domain event which contract tells the world about it."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id

    def message(self, event: OrderCreatedEvent, traceparent: str) -> EventMessage:
        """The event as it will be stored, sent and forwarded, with the id that it keeps for ever."""
        order = event.order
        contract = OrderCreatedV1(
            event_id=self._new_id(),
            event_type=ORDER_CREATED,
            event_version=1,
            order_id=order.id,
            seq=event.seq,
            occurred_at=wire_time(event.occurred_at),
            order=_placed(order),
        )
        return EventMessage(
            event_id=contract.event_id,
            aggregate_type=AGGREGATE_TYPE,
            aggregate_id=order.id,
            seq=contract.seq,
            event_type=contract.event_type,
            event_version=contract.event_version,
            occurred_at=event.occurred_at,
            topic=ORDER_EVENTS,
            payload=encode(contract),
            traceparent=traceparent,
        )


def _placed(order: Order) -> PlacedOrderV1:
    return PlacedOrderV1(
        customer_id=order.customer_id,
        status="PENDING",
        currency=order.currency,
        subtotal=order.subtotal,
        discount=order.discount,
        total=order.total,
        coupon_code=order.coupon_code,
        items=[
            OrderItemV1(
                product_id=line.product_id,
                name=line.name,
                unit_price=line.unit_price,
                quantity=line.quantity,
            )
            for line in order.lines
        ],
    )
