"""An order as the bodies that tell about it."""

from typing import Any

from msgspec import UNSET

from app.api.schemas import AcceptedOrder, OrderBody, OrderLineBody, OrderLinks
from app.domain.order import Order, OrderStatus


def order_address(order_id: str) -> str:
    """Where an order is found."""
    return f"/orders/{order_id}"


def accepted_order(order: Order) -> AcceptedOrder:
    """The body of the 202: the order as it was placed, also when a repeated request comes later."""
    return AcceptedOrder(status=OrderStatus.PENDING, **_as_placed(order))


def order_body(order: Order, *, with_customer: bool = False) -> OrderBody:
    """The whole order; staff are told whose it is."""
    return OrderBody(
        customer_id=order.customer_id if with_customer else UNSET,
        status=order.status,
        version=order.version,
        items=[
            OrderLineBody(
                product_id=line.product_id, name=line.name, unit_price=line.unit_price, quantity=line.quantity
            )
            for line in order.lines
        ],
        **_as_placed(order),
    )


def _as_placed(order: Order) -> dict[str, Any]:
    """What never changes."""
    return {
        "order_id": order.id,
        "currency": order.currency,
        "subtotal": order.subtotal,
        "discount": order.discount,
        "total": order.total,
        "coupon_code": order.coupon_code,
        "client_reference": order.client_reference,
        "created_at": order.created_at,
        "expires_at": order.expires_at,
        "links": OrderLinks(order_address(order.id)),
    }
