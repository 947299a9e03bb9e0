"""The backlog's content: valid events of the contract, every order's own in the order of their numbers."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from contracts.envelope import EventMessage
from contracts.order_events import (
    AGGREGATE_TYPE,
    ORDER_CREATED,
    ORDER_PAID,
    OrderCreatedV1,
    OrderItemV1,
    OrderPaidV1,
    PaidOrderV1,
    PaymentNameV1,
    PlacedOrderV1,
    encode,
)
from contracts.topics import ORDER_EVENTS
from kits.wire_time import wire_time

EVENTS_PER_ORDER = 10
_CUSTOMER = "customer-" + "0" * 63
_AT = datetime(2026, 11, 21, 7, tzinfo=UTC)


def backlog(orders: int, rng: random.Random) -> Iterator[EventMessage]:
    """Ten events for each of so many orders, about 400 bytes each, the orders mixed at random.

    One order.created and then order.paid again and again: a shop would not do so, but every event by itself
    is valid, and ten numbers of one order show what a life of three would not.
    """
    ids = [_uuid(number, rng) for number in range(orders)]
    turns = [number for number in range(orders) for _ in range(EVENTS_PER_ORDER)]
    rng.shuffle(turns)
    seqs = [0] * orders
    for number, turn in enumerate(turns):
        seqs[turn] += 1
        yield _event(ids[turn], seqs[turn], event_id=_uuid(number, rng), trace=rng.getrandbits(128))


def _event(order_id: str, seq: int, *, event_id: str, trace: int) -> EventMessage:
    event_type = ORDER_CREATED if seq == 1 else ORDER_PAID
    return EventMessage(
        event_id=event_id,
        aggregate_type=AGGREGATE_TYPE,
        aggregate_id=order_id,
        seq=seq,
        event_type=event_type,
        event_version=1,
        occurred_at=_AT,
        topic=ORDER_EVENTS,
        payload=_payload(event_id, order_id, seq),
        traceparent=f"00-{trace | 1:032x}-00f067aa0ba902b7-01",
    )


def _payload(event_id: str, order_id: str, seq: int) -> bytes:
    if seq == 1:
        item = OrderItemV1(product_id="p-1", name="Product 1", unit_price=15_000, quantity=2)
        placed = PlacedOrderV1(
            customer_id=_CUSTOMER, status="PENDING", currency="KRW", subtotal=30_000, discount=3_000,
            total=27_000, coupon_code="WELCOME10", items=[item],
        )  # fmt: skip
        return encode(
            OrderCreatedV1(
                event_id=event_id,
                event_type=ORDER_CREATED,
                event_version=1,
                order_id=order_id,
                seq=seq,
                occurred_at=wire_time(_AT),
                order=placed,
            )
        )
    paid = PaidOrderV1(
        customer_id=_CUSTOMER, status="PAID", currency="KRW", subtotal=30_000, discount=3_000, total=27_000,
        coupon_code="WELCOME10", payment=PaymentNameV1(provider="psp-1", reference="pay-1"),
    )  # fmt: skip
    return encode(
        OrderPaidV1(
            event_id=event_id,
            event_type=ORDER_PAID,
            event_version=1,
            order_id=order_id,
            seq=seq,
            occurred_at=wire_time(_AT),
            order=paid,
        )
    )


def _uuid(number: int, rng: random.Random) -> str:
    """A UUIDv7, as the shop makes them: ordered by time, ten of them in a millisecond."""
    milliseconds = int(_AT.timestamp() * 1000) + number // 10
    return str(
        UUID(int=milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
    )
