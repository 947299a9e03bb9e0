"""Use cases: what a caller can ask for."""

from datetime import datetime

import msgspec

from app.application.errors import Row
from app.domain.order import Order, OrderStatus
from app.domain.payment import Payment

Reference = tuple[str, str]
"""A customer, and their own name for one of their orders."""


class RequestedItem(msgspec.Struct, frozen=True):
    """So many pieces of one product."""

    product_id: str
    quantity: int


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A customer's name for one request, and the hash of what was asked for (32 bytes)."""

    key: str
    request_hash: bytes


class CreateOrder(msgspec.Struct, frozen=True):
    """Place one order.

    `order_id` (UUIDv7) is fixed before the first attempt: another attempt can find what the first did.
    `items` names each product once. `traceparent` is the trace of the request. `client_reference` is the
    customer's own name for the order.
    """

    order_id: str
    customer_id: str
    items: tuple[RequestedItem, ...]
    coupon_code: str | None = None
    traceparent: str = ""
    idempotency: IdempotencyKey | None = None
    client_reference: str | None = None

    @property
    def reference(self) -> Reference | None:
        """What no other order may have."""
        return (self.customer_id, self.client_reference) if self.client_reference else None

    @property
    def rows(self) -> set[Row]:
        """The rows of the catalogue that its transaction locks: its products and its coupon."""
        named = {("product", item.product_id) for item in self.items}
        return named | {("coupon", self.coupon_code)} if self.coupon_code else named


class ReplayedOrder(msgspec.Struct, frozen=True):
    """The order as an earlier request with the same key and body, or the same payment, has left it."""

    order: Order


class ChangeOrder(msgspec.Struct, frozen=True):
    """Let an order go on: fulfil it, cancel it; PayOrder pays it.

    `customer_id` is whose order it must be, None if it may be anybody's. `versions` are those that the caller
    has in mind, None if the order may have changed meanwhile. `traceparent` is the trace of the request.
    `idempotency` is a key of `caller_id`, who is asking.
    """

    order_id: str
    customer_id: str | None
    versions: frozenset[int] | None = None
    traceparent: str = ""
    caller_id: str = ""
    idempotency: IdempotencyKey | None = None


class PayOrder(ChangeOrder, frozen=True):
    """Pay one order. `payment` is what its provider has taken; None: its customer pays without a provider."""

    payment: Payment | None = None


class OrderSearch(msgspec.Struct, frozen=True, kw_only=True):
    """One page of orders, newest first; what is None asks for nothing.

    `customer_id` is whose orders they must be, `since` (inclusive) and `until` (exclusive) when they were
    placed. `key` of `caller_id` asks for the one order that was placed with it. `before` is an order's id.
    """

    limit: int
    customer_id: str | None = None
    before: str | None = None
    status: OrderStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    product_id: str | None = None
    reference: str | None = None
    caller_id: str = ""
    key: str | None = None


class FoundOrders(msgspec.Struct, frozen=True):
    """A page of orders; what follows has ids below `next_before`, nothing if that is None."""

    orders: list[Order]
    next_before: str | None
