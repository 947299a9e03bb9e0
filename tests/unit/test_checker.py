"""The checker reports each kind of broken promise, and nothing else."""

from collections.abc import Callable

import pytest

from chaos.checker import Event, Evidence, OrderRow, violations

ONE, TWO = Event("e-1", "o-1", 1), Event("e-2", "o-1", 2)


def kept_promises() -> Evidence:
    """One order at version 2, everything delivered once."""
    return Evidence(
        accepted={"o-1"},
        orders=[OrderRow("o-1", "PAID", 2, "WELCOME10", {"p-1": 2})],
        outbox=[ONE, TWO],
        topic=[ONE, TWO],
        ledger={"e-1": "delivered", "e-2": "delivered"},
        arrivals=[ONE, TWO],
        initial_stock={"p-1": 10},
        stock={"p-1": 8},
        coupon_used={"WELCOME10": 1},
        coupon_uses={"WELCOME10": 1},
    )


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
        (lambda e: e.ledger.update({"e-2": "held"}), "the ledger says held"),
        (lambda e: e.arrivals.reverse(), "At the data platform, seq 2"),
        (lambda e: e.topic.reverse(), "At the topic, seq 2"),
        (lambda e: e.stock.update({"p-1": 9}), "had 10 pieces, sold 2 and has 9 left"),
        (lambda e: e.coupon_uses.update({"WELCOME10": 2}), "Coupon WELCOME10 counts 1 uses, recorded 2"),
    ],
)
def test_each_broken_promise_is_told(breaking: Callable[[Evidence], object], told: str) -> None:
    """In a sentence that names what to look at."""
    evidence = kept_promises()
    breaking(evidence)
    assert any(told in sentence for sentence in violations(evidence))


def test_an_event_that_was_refused_may_be_missing() -> None:
    """If the run refused it on purpose."""
    evidence = kept_promises()
    evidence.arrivals.pop()
    evidence.ledger["e-2"] = "dead"
    assert violations(evidence, may_be_dead={"e-2"}) == []
