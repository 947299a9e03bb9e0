"""The checker: compares database, topic, inbox and receiver, and names everything that breaks a promise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from chaos.findings import Event, Evidence
from chaos.payments import payment_violations

_GIVEN_UP = {"skipped", "discarded"}
_ALIVE = {"PENDING", "PAID", "FULFILLED"}
_MAY_FOLLOW = {
    "PENDING": {"PENDING", "PAID", "FULFILLED", "CANCELLED", "EXPIRED"},
    "PAID": {"PAID", "FULFILLED"},
    "FULFILLED": {"FULFILLED"},
    "CANCELLED": {"CANCELLED"},
}


def violations(evidence: Evidence, *, may_be_dead: Iterable[str] | None = None) -> list[str]:
    """Every broken promise, one sentence each; empty when all of them were kept.

    Args:
        may_be_dead: ids of events that the platform was told to refuse; those behind them may be held.
            None: the run does not know; then a copy in the dead-letter topic needs no reason.
    """
    refused = set(may_be_dead or ())
    return [
        *_lost_orders(evidence),
        *_broken_words(evidence),
        *_keys(evidence),
        *_events_of_orders(evidence),
        *_delivery(evidence, refused | _behind(evidence, refused)),
        *_dead_letters(evidence, refused),
        *(_copies_without_reason(evidence, refused) if may_be_dead is not None else ()),
        *_contents(evidence),
        *_order_of_first_arrivals("topic", evidence.topic),
        *_order_of_first_arrivals("data platform", evidence.arrivals),
        *_conservation(evidence),
        *payment_violations(evidence),
    ]


def _lost_orders(evidence: Evidence) -> Iterator[str]:
    known = {order.order_id for order in evidence.orders}
    for order_id in sorted(evidence.accepted - known):
        yield f"Order {order_id} was answered 202 and is not in the database."


def _broken_words(evidence: Evidence) -> Iterator[str]:
    """A client that was told "paid" must find its order paid, or what may come after it."""
    for order in evidence.orders:
        told = evidence.statuses.get(order.order_id, "PENDING")
        if order.status not in _MAY_FOLLOW[told]:
            yield f"Order {order.order_id} was told to be {told} and is {order.status}."
        if order.overdue:
            yield f"Order {order.order_id} is PENDING long after its time."


def _keys(evidence: Evidence) -> Iterator[str]:
    """One key, one order; when every request of a run had a key, every order belongs to one."""
    for key, answered in evidence.keys.items():
        owner = evidence.key_owners.get(key)
        if len(answered) > 1:
            yield f"Key {key} was answered with {len(answered)} orders: {sorted(answered)}."
        elif answered and answered != {owner}:
            yield f"Key {key} was answered with order {min(answered)} and belongs to {owner or 'none'}."
    if evidence.keys:
        owned = set(evidence.key_owners.values())
        for order_id in sorted({order.order_id for order in evidence.orders} - owned):
            yield f"Order {order_id} belongs to no key: a key that was sent again created two."
        for key in sorted(set(evidence.key_owners) - set(evidence.keys)):
            yield f"Key {key} has an order and was never sent."


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
    arrived = {event.event_id for event in evidence.arrivals if not event.is_skip_notice}
    told = {(event.order_id, event.seq) for event in evidence.arrivals if event.is_skip_notice}
    given_up = {
        event.event_id
        for event in evidence.topic
        if (event.order_id, event.seq) in told and evidence.inbox.get(event.event_id) in _GIVEN_UP
    }
    for event_id in sorted(recorded - in_topic):
        yield f"Event {event_id} is in the outbox and not in the topic."
    for event_id in sorted(evidence.unpublished & recorded):
        yield f"Event {event_id} is not marked published."
    for event_id in sorted((in_topic | arrived) - recorded):
        yield f"Event {event_id} was published and is not in the outbox: its transaction never committed."
    for event_id in sorted(in_topic - arrived - given_up - may_be_dead):
        yield f"Event {event_id} is in the topic and did not arrive."
    for event_id in sorted(arrived - may_be_dead):
        if evidence.inbox.get(event_id) != "delivered":
            yield f"Event {event_id} arrived and the inbox says {evidence.inbox.get(event_id, 'nothing')}."


def _behind(evidence: Evidence, refused: set[str]) -> set[str]:
    """Events that are held because an earlier one of their order is dead."""
    first: dict[str, int] = {}
    for event in evidence.outbox:
        if event.event_id in refused and evidence.inbox.get(event.event_id) == "dead":
            first[event.order_id] = min(event.seq, first.get(event.order_id, event.seq))
    return {
        event.event_id
        for event in evidence.outbox
        if event.seq > first.get(event.order_id, event.seq) and evidence.inbox.get(event.event_id) == "held"
    }


def _dead_letters(evidence: Evidence, refused: set[str]) -> Iterator[str]:
    copies = {event.event_id for event in evidence.dead_letters}
    dead = {event_id for event_id, status in evidence.inbox.items() if status == "dead"}
    for event_id in sorted(dead - refused):
        yield f"Event {event_id} is dead and nobody refused it."
    for event_id in sorted(dead - copies):
        yield f"Event {event_id} is dead and has no copy in the dead-letter topic."


def _copies_without_reason(evidence: Evidence, refused: set[str]) -> Iterator[str]:
    for event_id in sorted({event.event_id for event in evidence.dead_letters} - refused):
        yield f"Event {event_id} is in the dead-letter topic and nobody refused it."


def _contents(evidence: Evidence) -> Iterator[str]:
    recorded = {event.event_id: event for event in evidence.outbox}
    places = {
        "topic": evidence.topic,
        "data platform": evidence.arrivals,
        "dead-letter topic": evidence.dead_letters,
    }
    for place, seen in places.items():
        for event in seen:
            written = recorded.get(event.event_id, event)
            if (event.order_id, event.seq, event.digest) != (written.order_id, written.seq, written.digest):
                yield f"At the {place}, event {event.event_id} is not what its transaction wrote."


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
        if used > evidence.coupon_limits.get(code, used):
            yield f"Coupon {code} was used {used} times, its limit is {evidence.coupon_limits[code]}."
        most = evidence.coupon_customer_uses.get(code, 0)
        if most > evidence.coupon_customer_limits.get(code, most):
            yield f"Coupon {code} was used {most} times by one customer."
