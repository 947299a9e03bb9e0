"""The checker: compares database, topic, ledger and receiver, and names everything that breaks a promise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_ALIVE = {"PENDING", "PAID", "FULFILLED"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event, wherever it was seen."""

    event_id: str
    order_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the database has it: its version, and the pieces per product."""

    order_id: str
    status: str
    version: int
    coupon_code: str | None
    pieces: dict[str, int]


@dataclass(slots=True)
class Evidence:
    """All that is left after a run. Lists stand in the order of the place they come from."""

    accepted: set[str] = field(default_factory=set)
    """Orders that were answered 202."""
    orders: list[OrderRow] = field(default_factory=list)
    outbox: list[Event] = field(default_factory=list)
    unpublished: set[str] = field(default_factory=set)
    """Event ids that are in the outbox and not marked published."""
    topic: list[Event] = field(default_factory=list)
    """In log order within each partition; a key lives in one partition."""
    ledger: dict[str, str] = field(default_factory=dict)
    """Status by event id."""
    arrivals: list[Event] = field(default_factory=list)
    """As the data platform took them, repeats included."""
    initial_stock: dict[str, int] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    coupon_used: dict[str, int] = field(default_factory=dict)
    coupon_uses: dict[str, int] = field(default_factory=dict)


def violations(evidence: Evidence, *, may_be_dead: Iterable[str] = ()) -> list[str]:
    """Every broken promise, one sentence each; empty when all of them were kept.

    Args:
        may_be_dead: ids of events that the platform was told to refuse, and of those held behind them.
    """
    return [
        *_lost_orders(evidence),
        *_events_of_orders(evidence),
        *_delivery(evidence, set(may_be_dead)),
        *_order_of_first_arrivals("topic", evidence.topic),
        *_order_of_first_arrivals("data platform", evidence.arrivals),
        *_conservation(evidence),
    ]


def _lost_orders(evidence: Evidence) -> Iterator[str]:
    known = {order.order_id for order in evidence.orders}
    for order_id in sorted(evidence.accepted - known):
        yield f"Order {order_id} was answered 202 and is not in the database."


def _events_of_orders(evidence: Evidence) -> Iterator[str]:
    seqs: dict[str, list[int]] = defaultdict(list)
    for event in evidence.outbox:
        seqs[event.order_id].append(event.seq)
    for order in evidence.orders:
        if sorted(seqs.pop(order.order_id, [])) != list(range(1, order.version + 1)):
            yield f"Order {order.order_id} at version {order.version} has not one event per version."
    for order_id in seqs:
        yield f"The outbox has events of order {order_id}, which is not in the database."


def _delivery(evidence: Evidence, may_be_dead: set[str]) -> Iterator[str]:
    recorded = {event.event_id for event in evidence.outbox}
    in_topic = {event.event_id for event in evidence.topic}
    arrived = {event.event_id for event in evidence.arrivals}
    for event_id in sorted(recorded - in_topic):
        yield f"Event {event_id} is in the outbox and not in the topic."
    for event_id in sorted(evidence.unpublished & recorded):
        yield f"Event {event_id} is not marked published."
    for event_id in sorted((in_topic | arrived) - recorded):
        yield f"Event {event_id} was published and is not in the outbox: its transaction never committed."
    for event_id in sorted(in_topic - arrived - may_be_dead):
        yield f"Event {event_id} is in the topic and did not arrive."
    for event_id in sorted(arrived):
        if evidence.ledger.get(event_id) != "delivered":
            yield f"Event {event_id} arrived and the ledger says {evidence.ledger.get(event_id, 'nothing')}."


def _order_of_first_arrivals(place: str, seen: Iterable[Event]) -> Iterator[str]:
    known: set[str] = set()
    last: Counter[str] = Counter()
    for event in seen:
        if event.event_id in known:
            continue
        known.add(event.event_id)
        if event.seq != last[event.order_id] + 1:
            before = last[event.order_id]
            yield f"At the {place}, seq {event.seq} of order {event.order_id} came after {before}."
        last[event.order_id] = event.seq


def _conservation(evidence: Evidence) -> Iterator[str]:
    sold: Counter[str] = Counter()
    coupons: Counter[str] = Counter()
    for order in evidence.orders:
        if order.status in _ALIVE:
            sold.update(order.pieces)
            coupons.update([order.coupon_code] if order.coupon_code else [])
    for product, initial in evidence.initial_stock.items():
        left = evidence.stock.get(product, 0)
        if left < 0 or left + sold[product] != initial:
            yield f"Product {product} had {initial} pieces, sold {sold[product]} and has {left} left."
    for code in sorted({*evidence.coupon_used, *evidence.coupon_uses, *coupons}):
        used, uses = evidence.coupon_used.get(code, 0), evidence.coupon_uses.get(code, 0)
        if not used == uses == coupons[code]:
            yield f"Coupon {code} counts {used} uses, recorded {uses} and discounts {coupons[code]} orders."
