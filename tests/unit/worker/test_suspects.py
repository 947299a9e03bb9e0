"""Who fails alone: the proof is the success of another order's call, begun later, after the failure."""

from worker.delivery.suspects import Suspects


def test_only_a_later_call_of_another_order_is_a_proof() -> None:
    """Neither its own success, nor one of a call that was begun before."""
    suspects = Suspects()
    suspects.failed("bad", "o-1", 5)
    suspects.succeeded("o-1", 9)
    suspects.succeeded("o-2", 4)
    assert not suspects.take_proof("bad")
    suspects.succeeded("o-2", 6)
    assert [suspects.take_proof("bad") for _ in range(2)] == [True, False], "one failure is proven once"


def test_what_succeeded_before_the_failure_came_in_proves_nothing() -> None:
    """It may be of the time before an outage that meets everybody."""
    suspects = Suspects()
    suspects.succeeded("o-2", 9)
    suspects.failed("bad", "o-1", 5)
    assert not suspects.take_proof("bad")


def test_a_later_failure_takes_the_place_of_the_former_one() -> None:
    """A success of a call begun between the two proves the former alone."""
    suspects = Suspects()
    suspects.failed("bad", "o-1", 5)
    suspects.failed("bad", "o-1", 7)
    suspects.succeeded("o-2", 6)
    assert not suspects.take_proof("bad")


def test_what_was_before_a_change_of_the_breaker_proves_nothing() -> None:
    """Suspicions and proofs alike are forgotten; so are those of an event that was delivered after all."""
    suspects = Suspects()
    for forget in (suspects.clear, lambda: suspects.drop("bad")):
        suspects.failed("bad", "o-1", 5)
        forget()
        suspects.succeeded("o-2", 6)
        assert not suspects.take_proof("bad")
        suspects.failed("bad", "o-1", 5)
        suspects.succeeded("o-2", 6)
        forget()
        assert not suspects.take_proof("bad")
