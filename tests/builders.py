"""Builders: the smallest valid thing of each kind, with what a test cares about set by name."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from uuid_utils.compat import uuid7

from app.application.commands import CreateOrder, IdempotencyKey, PayOrder, RequestedItem
from app.domain.coupon import Coupon, CouponKind
from app.domain.order import Order
from app.domain.payment import Payment
from app.domain.product import Product
from contracts.envelope import EventMessage
from contracts.topics import ORDER_EVENTS

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def a_product(
    product_id: str = "p-1", *, price: int = 15_000, stock: int = 100, currency: str = "KRW"
) -> Product:
    """A product in stock."""
    return Product(product_id, f"Product {product_id}", price, currency, stock)


def a_coupon(code: str = "WELCOME10", **values: Any) -> Coupon:
    """Ten per cent, no limits."""
    return Coupon(**{"code": code, "kind": CouponKind.PERCENT, "value": 10, **values})


def a_command(
    *items: tuple[str, int],
    coupon: str | None = None,
    customer: str = "c-1",
    reference: str | None = None,
    key: str | None = None,
) -> CreateOrder:
    """Order these (product, quantity) pairs; one piece of p-1 without any."""
    requested = tuple(RequestedItem(product, quantity) for product, quantity in items or (("p-1", 1),))
    return CreateOrder(
        str(uuid7()),
        customer,
        requested,
        coupon,
        idempotency=IdempotencyKey(key, b"h" * 32) if key else None,
        client_reference=reference,
    )


def an_order(*selection: tuple[Product, int]) -> Order:
    """A placed order over these products."""
    return Order.place(
        order_id=str(uuid7()),
        customer_id="c-1",
        selection=selection or [(a_product(), 2)],
        now=NOW,
        time_to_live=timedelta(minutes=15),
    )


def a_payment(order: Order, **values: Any) -> Payment:
    """What a provider has taken for this order: its total, under a reference of its own."""
    total = {"amount": order.total, "currency": order.currency}
    return Payment(**{"provider": "psp-1", "reference": f"pay-{order.id}", **total, **values})


def paying(order: Order, reference: str = "", **values: Any) -> PayOrder:
    """Pay this order, as its provider says; another reference is another payment."""
    payment = a_payment(order, reference=reference) if reference else a_payment(order)
    return PayOrder(order.id, **{"customer_id": None, "payment": payment, **values})


def a_message(order_id: str | None = None, seq: int = 1, **values: Any) -> EventMessage:
    """An event of an order, ready for the outbox."""
    order = order_id or str(uuid4())
    event_id = str(uuid7())
    payload = (
        f'{{"eventId":"{event_id}","eventType":"order.created","eventVersion":1,"orderId":"{order}",'
        f'"seq":{seq},"occurredAt":"2026-11-21T07:00:00.000Z"}}'
    ).encode()
    return EventMessage(
        **{
            "event_id": event_id,
            "aggregate_type": "order",
            "aggregate_id": order,
            "seq": seq,
            "event_type": "order.created",
            "event_version": 1,
            "occurred_at": NOW,
            "topic": ORDER_EVENTS,
            "payload": payload,
            "traceparent": "",
            **values,
        }
    )
