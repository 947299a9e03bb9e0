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
    OrderPaymentRefusedEvent,
)
from app.domain.order import Order
from contracts.envelope import EventMessage
from contracts.order_events import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_EXPIRED,
    ORDER_FULFILLED,
    ORDER_PAID,
    ORDER_PAYMENT_REFUSED,
    CancelledOrderV1,
    ExpiredOrderV1,
    FulfilledOrderV1,
    OrderCancelledV1,
    OrderCreatedV1,
    OrderExpiredV1,
    OrderFulfilledV1,
    OrderItemV1,
    OrderOfRefusedPaymentV1,
    OrderPaidV1,
    OrderPaymentRefusedV1,
    PaidOrderV1,
    PaymentNameV1,
    PlacedOrderV1,
    RefusedPaymentV1,
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
            order=body_of(event),
        )
        return message_of(
            contract, topic=ORDER_EVENTS, occurred_at=event.occurred_at, traceparent=traceparent
        )


def _placed(event: OrderCreatedEvent) -> PlacedOrderV1:
    order = event.order
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
        client_reference=order.client_reference,
    )


def _paid(event: OrderPaidEvent) -> PaidOrderV1:
    payment = PaymentNameV1(provider=event.payment.provider, reference=event.payment.reference)
    return PaidOrderV1(status="PAID", payment=payment, **_terms(event.order))


def _payment_refused(event: OrderPaymentRefusedEvent) -> OrderOfRefusedPaymentV1:
    payment = RefusedPaymentV1(
        provider=event.payment.provider,
        reference=event.payment.reference,
        amount=event.payment.amount,
        currency=event.payment.currency,
    )
    return OrderOfRefusedPaymentV1(
        status=event.order.status, payment=payment, reason=event.reason, **_terms(event.order)
    )


def _fulfilled(event: OrderFulfilledEvent) -> FulfilledOrderV1:
    return FulfilledOrderV1(status="FULFILLED", **_terms(event.order))


def _cancelled(event: OrderCancelledEvent) -> CancelledOrderV1:
    return CancelledOrderV1(status="CANCELLED", released=_released(event.order), **_terms(event.order))


def _expired(event: OrderExpiredEvent) -> ExpiredOrderV1:
    return ExpiredOrderV1(status="EXPIRED", released=_released(event.order), **_terms(event.order))


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


_CONTRACTS: Mapping[type[OrderEvent], tuple[str, type[Any], Callable[[Any], Any]]] = {
    OrderCreatedEvent: (ORDER_CREATED, OrderCreatedV1, _placed),
    OrderPaidEvent: (ORDER_PAID, OrderPaidV1, _paid),
    OrderPaymentRefusedEvent: (ORDER_PAYMENT_REFUSED, OrderPaymentRefusedV1, _payment_refused),
    OrderFulfilledEvent: (ORDER_FULFILLED, OrderFulfilledV1, _fulfilled),
    OrderCancelledEvent: (ORDER_CANCELLED, OrderCancelledV1, _cancelled),
    OrderExpiredEvent: (ORDER_EXPIRED, OrderExpiredV1, _expired),
}
