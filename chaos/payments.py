"""The checker's look at payments: who paid has an order, and what was refused was told."""

from collections import Counter
from collections.abc import Iterator

from chaos.findings import Evidence
from contracts.order_events import ORDER_PAYMENT_REFUSED

_PAID = {"PAID", "FULFILLED"}


def payment_violations(evidence: Evidence) -> Iterator[str]:
    """Every broken promise about payments, one sentence each; none if nobody looked."""
    if evidence.payments is None:
        return
    yield from _accepted(evidence)
    yield from _refused(evidence)
    stored = {payment.reference: payment.accepted for payment in evidence.payments}
    for reference, accepted in evidence.payments_told.items():
        if stored.get(reference) is not accepted:
            words = {True: "accepted", False: "refused", None: "unknown"}
            told, found = words[accepted], words[stored.get(reference)]
            yield f"Payment {reference} was told to be {told} and is {found}."


def _accepted(evidence: Evidence) -> Iterator[str]:
    taken = Counter(payment.order_id for payment in evidence.payments or () if payment.accepted)
    for order in evidence.orders:
        if taken[order.order_id] != (order.status in _PAID):
            count = taken[order.order_id]
            yield f"Order {order.order_id} is {order.status} and has {count} accepted payments."
    for payment in evidence.payments or ():
        if payment.amount != payment.total:
            yield f"Payment {payment.reference} is of {payment.amount}, its order costs {payment.total}."


def _refused(evidence: Evidence) -> Iterator[str]:
    """Each has its event, under the number that it gave its order; and no other event is told."""
    recorded = {
        (payment.order_id, payment.version) for payment in evidence.payments or () if not payment.accepted
    }
    told = {
        (event.order_id, event.seq) for event in evidence.outbox if event.event_type == ORDER_PAYMENT_REFUSED
    }
    for order_id, version in sorted(recorded ^ told):
        yield f"Order {order_id} has a refused payment or its event at {version}, not both."
