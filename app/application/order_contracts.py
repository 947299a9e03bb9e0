"""Use cases: turns a domain event into its wire contract and final bytes."""

from collections.abc import Callable, Mapping
from typing import Any

from app.application.ports import NewId
from app.domain.events import (
    OrderCancelledEvent,
    OrderCreatedEvent,
    OrderEvent,
    OrderExpiredEvent,
    OrderFulfilledEvent,
    OrderPaidEvent,
)
from app.domain.order import Order
from contracts.envelope import EventMessage
from contracts.order_events import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_EXPIRED,
    ORDER_FULFILLED,
    ORDER_PAID,
    CancelledOrderV1,
    ExpiredOrderV1,
    FulfilledOrderV1,
    OrderCancelledV1,
    OrderCreatedV1,
    OrderExpiredV1,
    OrderFulfilledV1,
    OrderItemV1,
    OrderPaidV1,
    PaidOrderV1,
    PlacedOrderV1,
    ReleasedItemV1,
    ReleasedV1,
    message_of,
)
from contracts.topics import ORDER_EVENTS
from kits.wire_time import wire_time

_VERSION = 1


class OrderContracts:
    """Knows for each domain event which contract tells the world about it."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id

    def message(self, event: OrderEvent, traceparent: str) -> EventMessage:
        """The event as it will be stored, sent and forwarded, with the id that it keeps for ever."""
        event_type, contract_of, body_of = _CONTRACTS[type(event)]
        contract = contract_of(
            event_id=self._new_id(),
            event_type=event_type,
            event_version=_VERSION,
            order_id=event.order.id,
            seq=event.seq,
            occurred_at=wire_time(event.occurred_at),
            order=body_of(event.order),
        )
        return message_of(
            contract, topic=ORDER_EVENTS, occurred_at=event.occurred_at, traceparent=traceparent
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


def _paid(order: Order) -> PaidOrderV1:
    return PaidOrderV1(status="PAID", **_terms(order))


def _fulfilled(order: Order) -> FulfilledOrderV1:
    return FulfilledOrderV1(status="FULFILLED", **_terms(order))


def _cancelled(order: Order) -> CancelledOrderV1:
    return CancelledOrderV1(status="CANCELLED", released=_released(order), **_terms(order))


def _expired(order: Order) -> ExpiredOrderV1:
    return ExpiredOrderV1(status="EXPIRED", released=_released(order), **_terms(order))


def _terms(order: Order) -> dict[str, Any]:
    return {
        "customer_id": order.customer_id,
        "currency": order.currency,
        "subtotal": order.subtotal,
        "discount": order.discount,
        "total": order.total,
        "coupon_code": order.coupon_code,
    }


def _released(order: Order) -> ReleasedV1:
    items = [ReleasedItemV1(product_id=line.product_id, quantity=line.quantity) for line in order.lines]
    return ReleasedV1(items=items, coupon_code=order.coupon_code)


_CONTRACTS: Mapping[type[OrderEvent], tuple[str, type[Any], Callable[[Order], Any]]] = {
    OrderCreatedEvent: (ORDER_CREATED, OrderCreatedV1, _placed),
    OrderPaidEvent: (ORDER_PAID, OrderPaidV1, _paid),
    OrderFulfilledEvent: (ORDER_FULFILLED, OrderFulfilledV1, _fulfilled),
    OrderCancelledEvent: (ORDER_CANCELLED, OrderCancelledV1, _cancelled),
    OrderExpiredEvent: (ORDER_EXPIRED, OrderExpiredV1, _expired),
}
