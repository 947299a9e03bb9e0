"""Use cases: what a caller can ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestedItem:
    """So many pieces of one product."""

    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Place one order.

    `order_id` (UUIDv7) is fixed before the first attempt: another attempt can find what the first did.
    `items` names each product once. `traceparent` is the trace of the request.
    """

    order_id: str
    customer_id: str
    items: tuple[RequestedItem, ...]
    coupon_code: str | None = None
    traceparent: str = ""
