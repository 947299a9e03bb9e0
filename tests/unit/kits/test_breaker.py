"""The circuit breaker: opens for an outage, never for one key alone, and asks with one call at a time."""

from kits.resilience.breaker import Breaker, BreakerState
from kits.resilience.retry import Backoff


class SteppedClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def a_breaker(clock: SteppedClock, failures: int = 3) -> Breaker:
    return Breaker(clock, failures=failures, keys=2, wait=Backoff(1.0, 1.0))


def an_open_breaker(clock: SteppedClock) -> Breaker:
    """Its wait is over at 10 s at the latest."""
    breaker = a_breaker(clock)
    assert breaker.unavailable(breaker.begin_call())
    return breaker


def test_an_outage_opens_it_at_once_and_a_probe_that_succeeds_closes_it() -> None:
    """One probe at a time."""
    clock = SteppedClock()
    breaker = an_open_breaker(clock)
    clock.time = 10.0
    assert breaker.admits()
    probe = breaker.begin_call()
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admits()
    assert breaker.succeeded(probe)
    assert (breaker.is_closed, breaker.closings) == (True, 1)


def test_a_probe_that_fails_opens_it_again() -> None:
    """Whatever kind of failure it is."""
    clock = SteppedClock()
    breaker = an_open_breaker(clock)
    clock.time = 10.0
    assert not breaker.failed(breaker.begin_call(), "k")
    assert breaker.state is BreakerState.OPEN


def test_a_key_that_fails_alone_never_opens_it_and_two_that_fail_in_a_row_do() -> None:
    """A success in between counts as calm."""
    breaker = a_breaker(SteppedClock())
    for _ in range(20):
        assert not breaker.failed(breaker.begin_call(), "a")
    assert breaker.failed(breaker.begin_call(), "b")
    calm = a_breaker(SteppedClock())
    for key in "abab":
        calm.failed(calm.begin_call(), key)
        calm.succeeded(calm.begin_call())
    assert calm.is_closed


def test_results_of_calls_from_before_its_last_change_do_not_move_it() -> None:
    """They tell of another time."""
    clock = SteppedClock()
    breaker = a_breaker(clock)
    old = breaker.begin_call()
    breaker.unavailable(old)
    assert not breaker.succeeded(old)
    assert not breaker.unavailable(old)
    assert breaker.state is BreakerState.OPEN


def test_calls_that_do_not_end_open_it_and_the_end_of_any_closes_it() -> None:
    """Also of one that began long before."""
    breaker = a_breaker(SteppedClock())
    old = breaker.begin_call()
    assert breaker.stalled()
    assert not breaker.stalled()
    assert breaker.succeeded(old)
    assert breaker.is_closed


def test_a_neighbour_that_names_a_time_is_asked_then() -> None:
    """Within a minute at most."""
    clock = SteppedClock()
    breaker = a_breaker(clock)
    breaker.unavailable(breaker.begin_call(), retry_after_seconds=3600.0)
    clock.time = 59.0
    assert not breaker.admits()
    clock.time = 60.0
    assert breaker.admits()


def test_a_probe_that_tells_nothing_makes_room_for_another() -> None:
    """One that was cancelled, say."""
    clock = SteppedClock()
    breaker = an_open_breaker(clock)
    clock.time = 10.0
    breaker.no_result(breaker.begin_call())
    assert breaker.admits()
