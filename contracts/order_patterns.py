"""Contract: what other services may ask of the shop over Kafka."""

from typing import Annotated, Any

import msgspec

from contracts.envelope import Id
from contracts.order_events import Currency, MinorUnits
from kits.patterns import whole
from kits.rpc.patterns import Pattern

MAX_ITEMS = 100
MAX_QUANTITY = 1_000

Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
Key = Annotated[str, msgspec.Meta(pattern=whole("[!-~]{1,255}"))]
CouponText = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class WantedItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """So many pieces of a product."""

    product_id: Id
    quantity: Quantity


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An order of a customer. With the same `idempotencyKey` there is one order, for 24 hours.

    Without a key the request itself is one: however often Kafka hands it out, there is one order.
    """

    customer_id: Id
    items: Annotated[list[WantedItem], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]
    coupon_code: CouponText | None = None
    idempotency_key: Key | None = None
    client_reference: Annotated[str, msgspec.Meta(pattern=whole("[!-~]{1,64}"))] | None = None


class PlacedOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The order as it was placed, PENDING; discount + total = subtotal."""

    order_id: str
    currency: Currency
    subtotal: MinorUnits
    discount: MinorUnits
    total: MinorUnits
    coupon_code: str | None
    client_reference: str | None = None


CREATE_ORDER = Pattern("orders.create", PlaceOrder, PlacedOrder)
PATTERNS: tuple[Pattern[Any, Any], ...] = (CREATE_ORDER,)
"""All of them; the AsyncAPI document has them too."""
