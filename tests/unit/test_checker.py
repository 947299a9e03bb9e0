"""The checker reports each kind of broken promise, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.checker import violations
from chaos.findings import Event, Evidence, OrderRow, PaymentRow
from contracts.order_events import ORDER_EVENT_SKIPPED, ORDER_PAYMENT_REFUSED, skip_notice_id
from contracts.topics import DATA_PLATFORM_GROUP

ONE, TWO = Event("e-1", "o-1", 1, digest="one"), Event("e-2", "o-1", 2, digest="two")
SKIPPED_ONE = Event(skip_notice_id(DATA_PLATFORM_GROUP, "o-1", 1), "o-1", 1, event_type=ORDER_EVENT_SKIPPED)


REFUSED = PaymentRow("pay-2", "o-1", 5, 5, accepted=False, version=3)
REFUSAL = Event("e-3", "o-1", 3, event_type=ORDER_PAYMENT_REFUSED)


def kept_promises() -> Evidence:
    """One order at version 2, everything delivered once."""
    return Evidence(
        accepted={"o-1"},
        statuses={"o-1": "PAID"},
        keys={"k-1": {"o-1"}, "k-2": set()},
        key_owners={"k-1": "o-1"},
        orders=[OrderRow("o-1", "PAID", 2, "WELCOME10", {"p-1": 2})],
        outbox=[ONE, TWO],
        topic=[ONE, TWO],
        inbox={"e-1": "delivered", "e-2": "delivered"},
        arrivals=[ONE, TWO],
        payments=[PaymentRow("pay-1", "o-1", 5, 5, accepted=True, version=2)],
        payments_told={"pay-1": True},
        initial_stock={"p-1": 10},
        stock={"p-1": 8},
        coupon_used={"WELCOME10": 1},
        coupon_uses={"WELCOME10": 1},
        coupon_limits={"WELCOME10": 1},
        coupon_customer_uses={"WELCOME10": 1},
        coupon_customer_limits={"WELCOME10": 1},
    )


def an_overdue_order() -> OrderRow:
    """One that no expiry task has looked at."""
    return OrderRow("o-3", "PENDING", 1, None, {}, overdue=True)


def test_kept_promises_have_no_violation() -> None:
    """Repeats are allowed, also ones that step back."""
    evidence = kept_promises()
    evidence.topic += [ONE]
    evidence.arrivals += [TWO, ONE]
    assert violations(evidence) == []


@pytest.mark.parametrize(
    ("breaking", "told"),
    [
        (lambda e: e.accepted.add("o-2"), "answered 202 and is not in the database"),
        (lambda e: e.outbox.pop(), "has not one event per version"),
        (lambda e: e.orders.clear(), "which is not in the database"),
        (lambda e: e.topic.pop(), "in the outbox and not in the topic"),
        (lambda e: e.unpublished.add("e-2"), "is not marked published"),
        (lambda e: e.topic.append(Event("e-9", "o-9", 1)), "its transaction never committed"),
        (lambda e: e.arrivals.pop(), "did not arrive"),
        (lambda e: e.inbox.update({"e-2": "held"}), "the inbox says held"),
        (lambda e: e.arrivals.reverse(), "At the data platform, seq 2"),
        (lambda e: e.topic.reverse(), "At the topic, seq 2"),
        (lambda e: e.payments.clear(), "is PAID and has 0 accepted payments"),
        (lambda e: e.payments.append(replace(e.payments[0], reference="two")), "has 2 accepted payments"),
        (lambda e: e.payments_told.update({"pay-1": False}), "told to be refused and is accepted"),
        (lambda e: e.payments_told.update({"pay-2": True}), "told to be accepted and is unknown"),
        (lambda e: e.payments.append(REFUSED), "a refused payment or its event at 3, not both"),
        (lambda e: e.outbox.append(REFUSAL), "a refused payment or its event at 3, not both"),
        (lambda e: e.payments.append(replace(REFUSED, amount=4)), "is of 4, its order costs 5"),
        (lambda e: e.stock.update({"p-1": 9}), "had 10 pieces, sold 2 and has 9 left"),
        (lambda e: e.coupon_uses.update({"WELCOME10": 2}), "Coupon WELCOME10 counts 1 uses, recorded 2"),
        (lambda e: e.coupon_limits.update({"WELCOME10": 0}), "used 1 times, its limit is 0"),
        (lambda e: e.coupon_customer_limits.update({"WELCOME10": 0}), "used 1 times by one customer"),
        (lambda e: e.statuses.update({"o-1": "CANCELLED"}), "told to be CANCELLED and is PAID"),
        (lambda e: e.orders.append(an_overdue_order()), "PENDING long after its time"),
        (lambda e: e.keys["k-1"].add("o-2"), "Key k-1 was answered with 2 orders"),
        (lambda e: e.keys.update({"k-2": {"o-1"}}), "answered with order o-1 and belongs to none"),
        (lambda e: e.key_owners.clear(), "belongs to no key: a key that was sent again created two"),
        (lambda e: e.key_owners.update({"k-9": "o-1"}), "Key k-9 has an order and was never sent"),
        (lambda e: e.inbox.update({"e-2": "dead"}), "is dead and nobody refused it"),
        (lambda e: e.inbox.update({"e-2": "dead"}), "has no copy in the dead-letter topic"),
        (lambda e: e.dead_letters.append(TWO), "in the dead-letter topic and nobody refused it"),
        (lambda e: e.topic.append(replace(ONE, digest="x")), "At the topic, event e-1 is not what its"),
        (lambda e: e.arrivals.append(replace(ONE, seq=2)), "At the data platform, event e-1 is not what its"),
    ],
)
def test_each_broken_promise_is_told(breaking: Callable[[Evidence], object], told: str) -> None:
    """In a sentence that names what to look at."""
    evidence = kept_promises()
    breaking(evidence)
    assert any(told in sentence for sentence in violations(evidence, may_be_dead=()))


def test_an_event_that_was_refused_may_be_missing() -> None:
    """If the run refused it on purpose."""
    evidence = kept_promises()
    evidence.arrivals.pop()
    evidence.inbox["e-2"] = "dead"
    evidence.dead_letters.append(TWO)
    assert violations(evidence, may_be_dead={"e-2"}) == []


def test_an_event_is_held_only_behind_a_dead_one_of_its_order() -> None:
    """What comes after a refused event waits in the inbox; without a reason to wait it is missing."""
    evidence = kept_promises()
    evidence.arrivals.clear()
    evidence.inbox = {"e-1": "dead", "e-2": "held"}
    evidence.dead_letters.append(ONE)
    assert violations(evidence, may_be_dead={"e-1"}) == []
    evidence.inbox = {"e-1": "delivered", "e-2": "held"}
    evidence.arrivals.append(ONE)
    assert any("Event e-2 is in the topic and did not arrive" in told for told in violations(evidence))


def test_a_run_without_keys_says_nothing_about_them() -> None:
    """A request may come without a key; then nobody can say whose second order it is."""
    evidence = kept_promises()
    evidence.keys, evidence.key_owners = {}, {}
    assert violations(evidence) == []


def test_a_number_that_an_operator_gave_up_arrives_as_its_notice() -> None:
    """It takes the place of the event; a notice of another number, or without a decision, does not."""
    evidence = kept_promises()
    evidence.inbox["e-1"] = "skipped"
    evidence.arrivals = [SKIPPED_ONE, TWO, SKIPPED_ONE]
    assert violations(evidence) == []
    evidence.inbox["e-1"] = "dead"
    assert any("did not arrive" in sentence for sentence in violations(evidence))


def test_a_number_that_was_given_up_and_arrived_all_the_same_is_told() -> None:
    """The platform must not hear both."""
    evidence = kept_promises()
    evidence.arrivals = [SKIPPED_ONE, ONE, TWO]
    assert any("seq 1 of order o-1 came after 1" in sentence for sentence in violations(evidence))
