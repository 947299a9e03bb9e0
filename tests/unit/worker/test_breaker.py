"""The circuit breaker: when it opens, what closes it, what does not move it."""

import math
import random

from worker.delivery.breaker import Breaker, BreakerState, wait_before_retry
from worker.delivery.failures import Outcome


class Driven:
    """A breaker whose clock stands at 0 s, and the states that it went through."""

    def __init__(self) -> None:
        self.states: list[BreakerState] = []
        self.breaker = Breaker(random.Random(1), lambda state, *_: self.states.append(state))  # noqa: S311

    def fail(
        self, outcome: Outcome, order: str = "o-1", *, under: int | None = None, asked: float = 0
    ) -> None:
        """A call of this order fails."""
        breaker = self.breaker
        begun_under = breaker.change if under is None else under
        breaker.failed(begun_under, outcome, order, retry_after_seconds=asked, now=0.0)


def test_an_outage_opens_it_at_once_and_one_success_of_a_probe_closes_it() -> None:
    """Open, half-open, closed."""
    driven = Driven()
    driven.fail(Outcome.OUTAGE)
    assert driven.breaker.state is BreakerState.OPEN
    probe = driven.breaker.admit()
    assert driven.breaker.wait_seconds(1e6) == math.inf, "one probe at a time"
    driven.breaker.succeeded(probe)
    assert driven.states == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    assert driven.breaker.wait_seconds(0.0) == 0.0


def test_results_of_calls_begun_before_its_last_change_do_not_move_it() -> None:
    """Neither does a late success close it, nor a late failure open it again."""
    driven = Driven()
    early = driven.breaker.admit()
    driven.fail(Outcome.BACK_PRESSURE)
    driven.breaker.succeeded(early)
    assert not driven.breaker.is_closed
    driven.breaker.succeeded(driven.breaker.admit())
    driven.fail(Outcome.OUTAGE, under=early)
    assert driven.breaker.is_closed


def test_failures_that_may_be_an_events_own_open_it_after_ten_in_a_row_of_several_orders() -> None:
    """An order that is alone with its failure does not; a success in between begins the count anew."""
    driven = Driven()
    for _ in range(50):
        driven.fail(Outcome.FAILING_ALONE)
    assert driven.breaker.is_closed
    driven.breaker.succeeded(driven.breaker.admit())
    for number in range(9):
        driven.fail(Outcome.CONFIGURATION, f"o-{number}")
    assert driven.breaker.is_closed
    driven.fail(Outcome.FAILING_ALONE, "o-1")
    assert driven.breaker.state is BreakerState.OPEN


def test_a_failed_probe_opens_it_again_and_asks_for_another_order() -> None:
    """Reading pauses only with ten heads that have not failed."""
    driven = Driven()
    driven.fail(Outcome.OUTAGE, "o-1")
    assert driven.breaker.heads_wanted == 11
    for number in range(2, 5):
        driven.breaker.admit()
        driven.fail(Outcome.FAILING_ALONE, f"o-{number}")
        assert driven.breaker.state is BreakerState.OPEN
    assert driven.breaker.heads_wanted == 14


def test_a_probe_that_tells_nothing_makes_room_for_the_next_one() -> None:
    """Its order was taken away by a rebalance: the breaker must not wait for it for ever."""
    driven = Driven()
    driven.fail(Outcome.OUTAGE)
    driven.breaker.no_result(driven.breaker.admit())
    assert driven.breaker.state is BreakerState.OPEN


def test_it_waits_as_the_platform_asks_and_never_over_five_seconds_otherwise() -> None:
    """Retry-After counts up to a minute."""
    driven = Driven()
    driven.fail(Outcome.BACK_PRESSURE, asked=30)
    assert driven.breaker.wait_seconds(0.0) == 30.0
    for _ in range(60):
        driven.breaker.admit()
        driven.fail(Outcome.OUTAGE)
        assert driven.breaker.wait_seconds(0.0) <= 5.0


def test_waits_are_jittered_and_bounded() -> None:
    """At most 5 s by ourselves, at most 60 s when asked."""
    rng = random.Random(2)  # noqa: S311
    waits = [wait_before_retry(tries, None, rng) for tries in range(200)]
    assert max(waits) <= 5.0
    assert len(set(waits)) > 190
    assert wait_before_retry(0, 1e9, rng) == 60.0
    assert wait_before_retry(0, -5, rng) <= 0.1
