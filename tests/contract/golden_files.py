"""The golden files: events as they stand on Kafka. `python -m tests.contract.golden_files` adds new fields.

A change that an old reader would notice, or after which a new reader could not read old events, is refused.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from app.application.order_contracts import OrderContracts
from app.domain.coupon import CouponKind
from app.domain.events import (
    OrderCreatedEvent,
    OrderEvent,
    OrderPaidEvent,
    OrderPaymentRefusedEvent,
    moved,
)
from app.domain.order import Order, OrderStatus
from app.domain.payment import Payment, refusal_reason
from contracts import member_events
from contracts.envelope import EventMessage
from contracts.json_schemas import SCHEMAS
from contracts.member_events import MEMBER_UPDATED_V1, MEMBER_UPDATED_V2, MemberUpdatedV1, MemberUpdatedV2
from contracts.order_events import encode, skip_notice_id, skipped_event
from tests.builders import NOW, a_coupon, a_product, an_order

GOLDEN = Path(__file__).with_name("golden")
EVENT_ID = "0199aaaa-0000-7000-8000-000000000001"
ORDER_ID = "0199aaaa-0000-7000-8000-0000000000aa"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

REFUSED = "refused"
# Each event and the way that its order went.
LIVES: dict[str, list[str]] = {
    "order.created": [],
    "order.paid": [OrderStatus.PAID],
    "order.payment_refused": [OrderStatus.CANCELLED, REFUSED],
    "order.fulfilled": [OrderStatus.PAID, OrderStatus.FULFILLED],
    "order.cancelled": [OrderStatus.CANCELLED],
    "order.expired": [OrderStatus.EXPIRED],
}
GOLDEN_FILES = [(life, coupon) for life in LIVES for coupon in (True, False)]
SKIPPED = "order.event_skipped.v1"
SKIPPED_FILES = {f"{SKIPPED}.json": EVENT_ID, f"{SKIPPED}.unseen.json": None}
MEMBER_EVENTS: dict[str, MemberUpdatedV1 | MemberUpdatedV2] = {
    MEMBER_UPDATED_V1: MemberUpdatedV1(member_id="m-1", name="홍 길동", version=3),
    MEMBER_UPDATED_V2: MemberUpdatedV2(member_id="m-1", first_name="길동", last_name="홍", version=3),
}


def the_order(*, coupon: bool = True) -> Order:
    """An order of two products, with a coupon of ten per cent unless it goes without."""
    order = an_order((a_product("p-1", price=15_000), 2), (a_product("p-2", price=700), 1))
    if coupon:
        order = order.discounted_by(a_coupon(kind=CouponKind.PERCENT, value=10))
    return replace(order, id=ORDER_ID)


def the_message(event_type: str = "order.created", *, coupon: bool = True) -> EventMessage:
    """The last event of an order that went this way, a minute between any two steps."""
    order, now = the_order(coupon=coupon), NOW
    event: OrderEvent = OrderCreatedEvent(order)
    for step in LIVES[event_type]:
        now += timedelta(minutes=1)
        event = the_next_event(order, step, now)
        order = event.order
    return OrderContracts(lambda: EVENT_ID).message(event, TRACEPARENT)


def the_next_event(order: Order, step: str, now: datetime) -> OrderEvent:
    """An order goes on to this status, or refuses a payment."""
    payment = Payment("psp-1", "pay-4711", order.total, order.currency)
    if step == REFUSED:
        return OrderPaymentRefusedEvent(order.with_payment_refused(), now, payment, refusal_reason(order))
    after = order.moved_to(OrderStatus(step), now=now)
    if after.status is OrderStatus.PAID:
        return OrderPaidEvent(after, now, payment)
    return moved(after, occurred_at=now)


def golden_file(event_type: str, *, coupon: bool) -> Path:
    """Where the bytes of version 1 are kept."""
    return GOLDEN / f"{event_type}.v1{'' if coupon else '.no-coupon'}.json"


def skipped_bytes(skipped_event_id: str | None) -> bytes:
    """A number that was given up, with the event that had it, or with null where nobody ever saw one."""
    told = skipped_event(
        event_id=skip_notice_id("data-platform", ORDER_ID, 2),
        order_id=ORDER_ID,
        seq=2,
        skipped_event_id=skipped_event_id,
        reason="refused for good, see ticket 4711",
        now=NOW,
    )
    return encode(told)


def golden_bytes() -> Iterator[tuple[Path, str, bytes]]:
    """Each golden file, the `ce_type` of its event, and the bytes that this build writes."""
    for event_type, coupon in GOLDEN_FILES:
        message = the_message(event_type, coupon=coupon)
        yield golden_file(event_type, coupon=coupon), f"{event_type}.v1", message.payload
    for name, skipped_event_id in SKIPPED_FILES.items():
        yield GOLDEN / name, SKIPPED, skipped_bytes(skipped_event_id)
    for ce_type, event in MEMBER_EVENTS.items():
        yield GOLDEN / f"{ce_type}.json", ce_type, member_events.encode(event)


def breaks(old: bytes, new: bytes, struct: type[msgspec.Struct]) -> str:
    """Why a new version is needed; empty when nothing but optional fields was added."""
    if not _adds_only(json.loads(old), json.loads(new)):
        return "a field that readers know is gone, has moved or has another value"
    try:
        msgspec.json.decode(old, type=struct)
    except msgspec.ValidationError as error:
        return f"the new field is not optional, so old events cannot be read ({error})"
    return ""


def _adds_only(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        known = [name for name in new if name in old]
        return known == list(old) and all(_adds_only(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_adds_only, old, new))
    return type(old) is type(new) and bool(old == new)


def main() -> int:
    """Write what is missing or has new fields, all or nothing; 1 after a sentence for each refused change."""
    changed = []
    refused = []
    for path, ce_type, new in golden_bytes():
        old = path.read_bytes().rstrip(b"\n") if path.exists() else None
        if old is not None and (reason := breaks(old, new, SCHEMAS[ce_type])):
            refused.append(f"{path.name}: {reason}: make a new version of {ce_type}.")
        elif old != new:
            changed.append((path, new))
    if refused:
        sys.stderr.write("\n".join(refused) + "\n")
        return 1
    for path, new in changed:
        path.write_bytes(new + b"\n")
        sys.stdout.write(f"{path.name} written: look at the difference.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
