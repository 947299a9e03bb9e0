"""Contract: the events of an order on the wire, one struct per type and version."""

from typing import Annotated, Literal

import msgspec

from contracts.envelope import Envelope, Id

AGGREGATE_TYPE = "order"

MinorUnits = Annotated[int, msgspec.Meta(ge=0, description="Minor units of the order's currency.")]


class OrderItemV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of an order, with name and unit price as they were when it was placed."""

    product_id: Id
    name: str
    unit_price: MinorUnits
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class PlacedOrderV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order as it was placed; discount + total = subtotal."""

    customer_id: str
    status: Literal["PENDING"]
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]
    subtotal: MinorUnits
    discount: MinorUnits
    total: MinorUnits
    coupon_code: str | None
    items: Annotated[list[OrderItemV1], msgspec.Meta(min_length=1)]


class OrderCreatedV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """An order was placed and is waiting for its payment; always the first event of its order."""

    order: PlacedOrderV1


ORDER_CREATED = "order.created"

SCHEMAS: dict[str, type[Envelope]] = {f"{ORDER_CREATED}.v1": OrderCreatedV1}
"""Every event on the wire by `ce_type`; each has a JSON Schema under `contracts/schemas`."""

_encoder = msgspec.json.Encoder()


def encode(event: Envelope) -> bytes:
    """The event's final bytes: JSON, camelCase, UTF-8, fields in the order of the struct."""
    return _encoder.encode(event)
