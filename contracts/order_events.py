"""Contract: the events of an order on the wire, one struct per type and version."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from contracts.envelope import Envelope, EventMessage, Id
from kits.wire_time import wire_time

AGGREGATE_TYPE = "order"

MinorUnits = Annotated[int, msgspec.Meta(ge=0, description="Minor units of the order's currency.")]
Currency = Annotated[str, msgspec.Meta(min_length=3, max_length=3)]
Pieces = Annotated[int, msgspec.Meta(ge=1)]


class OrderItemV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of an order, with name and unit price as they were when it was placed."""

    product_id: Id
    name: str
    unit_price: MinorUnits
    quantity: Pieces


class PlacedOrderV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order as it was placed; discount + total = subtotal."""

    customer_id: str
    status: Literal["PENDING"]
    currency: Currency
    subtotal: MinorUnits
    discount: MinorUnits
    total: MinorUnits
    coupon_code: str | None
    items: Annotated[list[OrderItemV1], msgspec.Meta(min_length=1)]
    client_reference: str | None = None


class OrderCreatedV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """An order was placed and is waiting for its payment; always the first event of its order."""

    order: PlacedOrderV1


class OrderTermsV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose order it is and what it costs; its lines stand in `order.created` and never change."""

    customer_id: str
    currency: Currency
    subtotal: MinorUnits
    discount: MinorUnits
    total: MinorUnits
    coupon_code: str | None


class ReleasedItemV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Pieces of a product that are for sale again."""

    product_id: Id
    quantity: Pieces


class ReleasedV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an order holds no longer; a `coupon_code` says that the use of this coupon counts no more."""

    items: Annotated[list[ReleasedItemV1], msgspec.Meta(min_length=1)]
    coupon_code: str | None


class PaymentNameV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who took the money, and what they call it; null in an `order.paid` that an earlier build has made."""

    provider: str
    reference: str


class RefusedPaymentV1(PaymentNameV1, frozen=True, kw_only=True, rename="camel"):
    """Money that was taken and is to be given back."""

    amount: MinorUnits
    currency: Currency


class PaidOrderV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):
    """An order that was paid; `total` is what was paid."""

    status: Literal["PAID"]
    payment: PaymentNameV1 | None = None


class OrderOfRefusedPaymentV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):
    """An order that did not take a payment; it stands where it stood."""

    status: Annotated[str, msgspec.Meta(description="Where the order stands, also after this.")]
    payment: RefusedPaymentV1
    reason: Annotated[
        str, msgspec.Meta(description="`too_late`, `cancelled` or `paid_already`; others may come.")
    ]


class FulfilledOrderV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):
    """An order that was handed over."""

    status: Literal["FULFILLED"]


class CancelledOrderV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):
    """An order that was called off; the amounts are what it would have cost."""

    status: Literal["CANCELLED"]
    released: ReleasedV1


class ExpiredOrderV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):
    """An order that nobody paid; the amounts are what it would have cost."""

    status: Literal["EXPIRED"]
    released: ReleasedV1


class OrderPaidV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """The order was paid in time; `order.fulfilled` can follow."""

    order: PaidOrderV1


class OrderPaymentRefusedV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """A payment came that the order does not take: its money is to be given back, nothing else changed."""

    order: OrderOfRefusedPaymentV1


class OrderFulfilledV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """The order was handed over; only `order.payment_refused` can follow."""

    order: FulfilledOrderV1


class OrderCancelledV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """The order was called off before its payment; only `order.payment_refused` can follow."""

    order: CancelledOrderV1


class OrderExpiredV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """Nobody paid the order in time; only `order.payment_refused` can follow."""

    order: ExpiredOrderV1


class OrderEventSkippedV1(Envelope, frozen=True, kw_only=True, rename="camel"):
    """The event with this number will not come: it takes the number's place, and the later ones go on."""

    skipped_event_id: Id | None
    """The event that was given up; null when nobody ever saw one with this number."""
    reason: Annotated[str, msgspec.Meta(max_length=200, description="Why, in the operator's words.")]


ORDER_CREATED = "order.created"
ORDER_PAID = "order.paid"
ORDER_PAYMENT_REFUSED = "order.payment_refused"
ORDER_FULFILLED = "order.fulfilled"
ORDER_CANCELLED = "order.cancelled"
ORDER_EXPIRED = "order.expired"
ORDER_EVENT_SKIPPED = "order.event_skipped"

SCHEMAS: dict[str, type[Envelope]] = {
    f"{ORDER_CREATED}.v1": OrderCreatedV1,
    f"{ORDER_PAID}.v1": OrderPaidV1,
    f"{ORDER_PAYMENT_REFUSED}.v1": OrderPaymentRefusedV1,
    f"{ORDER_FULFILLED}.v1": OrderFulfilledV1,
    f"{ORDER_CANCELLED}.v1": OrderCancelledV1,
    f"{ORDER_EXPIRED}.v1": OrderExpiredV1,
    f"{ORDER_EVENT_SKIPPED}.v1": OrderEventSkippedV1,
}
"""Every event on the wire by `ce_type`; each has a JSON Schema under `contracts/schemas`."""

_encoder = msgspec.json.Encoder()


def encode(event: Envelope) -> bytes:
    """The event's final bytes: JSON, camelCase, UTF-8, fields in the order of the struct."""
    return _encoder.encode(event)


def message_of(event: Envelope, *, topic: str, occurred_at: datetime, traceparent: str = "") -> EventMessage:
    """The event in its final form, for the outbox and for Kafka; `occurred_at` is the event's own."""
    return EventMessage(
        event_id=event.event_id,
        aggregate_type=AGGREGATE_TYPE,
        aggregate_id=event.order_id,
        seq=event.seq,
        event_type=event.event_type,
        event_version=event.event_version,
        occurred_at=occurred_at,
        topic=topic,
        payload=encode(event),
        traceparent=traceparent,
    )


def skipped_event(
    *, event_id: str, order_id: str, seq: int, skipped_event_id: str | None, reason: str, now: datetime
) -> OrderEventSkippedV1:
    """What tells every reader that number `seq` of this order was given up."""
    return OrderEventSkippedV1(
        event_id=event_id,
        event_type=ORDER_EVENT_SKIPPED,
        event_version=1,
        order_id=order_id,
        seq=seq,
        occurred_at=wire_time(now),
        skipped_event_id=skipped_event_id,
        reason=reason,
    )


def skip_notice_id(group: str, order_id: str, seq: int) -> str:
    """The event id under which a consumer group tells its receiver of a skip: the same however often."""
    return str(uuid5(NAMESPACE_URL, f"{group}/{order_id}/{seq}"))
