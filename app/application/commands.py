"""Use cases: what a caller can ask for."""

import msgspec

from app.application.errors import Row
from app.domain.order import Order


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
    `items` names each product once. `traceparent` is the trace of the request.
    """

    order_id: str
    customer_id: str
    items: tuple[RequestedItem, ...]
    coupon_code: str | None = None
    traceparent: str = ""
    idempotency: IdempotencyKey | None = None

    @property
    def rows(self) -> set[Row]:
        """The rows of the catalogue that its transaction locks: its products and its coupon."""
        named = {("product", item.product_id) for item in self.items}
        return named | {("coupon", self.coupon_code)} if self.coupon_code else named


class ReplayedOrder(msgspec.Struct, frozen=True):
    """The order as an earlier request with the same key and the same body has left it."""

    order: Order


class ChangeOrder(msgspec.Struct, frozen=True):
    """Let an order go on: pay it, fulfil it, cancel it.

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
