"""An order as the bodies that tell about it."""

from app.api.schemas import AcceptedOrder, OrderBody, OrderLineBody, OrderLinks
from app.domain.order import Order, OrderStatus


def order_address(order_id: str) -> str:
    """Where an order is found."""
    return f"/orders/{order_id}"


def accepted_order(order: Order) -> AcceptedOrder:
    """The body of the 202: the order as it was placed, also when a repeated request comes later."""
    return AcceptedOrder(
        order_id=order.id,
        status=OrderStatus.PENDING,
        currency=order.currency,
        subtotal=order.subtotal,
        discount=order.discount,
        total=order.total,
        coupon_code=order.coupon_code,
        created_at=order.created_at,
        expires_at=order.expires_at,
        links=OrderLinks(order_address(order.id)),
    )


def order_body(order: Order) -> OrderBody:
    """The whole order."""
    return OrderBody(
        order_id=order.id,
        status=order.status,
        version=order.version,
        currency=order.currency,
        subtotal=order.subtotal,
        discount=order.discount,
        total=order.total,
        coupon_code=order.coupon_code,
        created_at=order.created_at,
        expires_at=order.expires_at,
        links=OrderLinks(order_address(order.id)),
        items=[
            OrderLineBody(
                product_id=line.product_id, name=line.name, unit_price=line.unit_price, quantity=line.quantity
            )
            for line in order.lines
        ],
    )
