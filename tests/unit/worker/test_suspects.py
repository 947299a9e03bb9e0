"""Who fails alone: the proof is the success of another order's call that was begun later."""

from tests.unit.worker.events import Sample
from tests.unit.worker.fakes import an_event
from worker.delivery.failures import Answer, AnswerKind, Outcome
from worker.delivery.heads import Head
from worker.delivery.lanes import Lane
from worker.delivery.suspects import Suspect, Suspects


def suspect(order: str, call: int) -> Suspect:
    """The event of this order failed in the call of this number."""
    head = Head(Lane(order), an_event(Sample(order)), baseline=False)
    return Suspect(head, call, Outcome.FAILING_ALONE, Answer(AnswerKind.TIMEOUT))


def test_only_a_later_call_of_another_order_is_a_proof() -> None:
    """Neither its own success, nor one of a call that was begun before."""
    suspects = Suspects()
    failed = suspect("o-1", 5)
    assert not suspects.failed(failed)
    assert suspects.succeeded("o-1", 9) == []
    assert suspects.succeeded("o-2", 4) == []
    assert suspects.succeeded("o-2", 6) == [failed]
    assert suspects.succeeded("o-3", 7) == [], "one failure is proven once"


def test_a_success_that_came_in_before_the_failure_counts_if_its_call_was_begun_later() -> None:
    """A timeout takes ten seconds: what others did meanwhile is known when it ends."""
    suspects = Suspects()
    suspects.succeeded("o-1", 9)
    assert not suspects.failed(suspect("o-1", 5))
    suspects.succeeded("o-2", 7)
    assert suspects.failed(suspect("o-1", 5))
    assert suspects.failed(suspect("o-3", 8))
    assert not suspects.failed(suspect("o-3", 9))


def test_what_was_before_a_change_of_the_breaker_proves_nothing() -> None:
    """Suspicions and successes alike are forgotten; so is one of an event that was delivered after all."""
    suspects = Suspects()
    failed = suspect("o-1", 5)
    suspects.failed(failed)
    suspects.succeeded("o-1", 8)
    suspects.clear()
    assert suspects.succeeded("o-2", 9) == []
    suspects.clear()
    assert not suspects.failed(failed)
    suspects.drop(failed.head.event.event_id)
    assert suspects.succeeded("o-2", 10) == []


def test_a_parked_event_that_is_proven_later_has_a_credit() -> None:
    """It left for the ledger before others showed whose fault it was; the attempt counts at its next try."""
    suspects = Suspects()
    failed = suspect("o-1", 5)
    suspects.failed(failed)
    failed.is_parked = True
    event_id = failed.head.event.event_id
    assert suspects.take_credit(event_id) == 0
    assert suspects.succeeded("o-2", 6) == []
    assert [suspects.take_credit(event_id) for _ in range(2)] == [1, 0]
