"""The circuit breaker: opens for an outage, never for one key alone, and asks with one call at a time."""

import asyncio
from collections.abc import Iterable

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


def results_of(breaker: Breaker, results: Iterable[bool]) -> None:
    """Calls that end one after the other, well (True) or badly, while it is closed."""
    for good in results:
        assert breaker.is_closed
        begun = breaker.begin_call()
        breaker.succeeded(begun) if good else breaker.failed(begun)


def a_sensitive_breaker(clock: SteppedClock) -> Breaker:
    """Five in a row, or half of twenty; whose failures they are does not matter."""
    return Breaker(clock, failures=5, keys=1, window=20, wait=Backoff(1.0, 1.0))


def test_with_one_key_a_row_of_failures_opens_it() -> None:
    """One fewer does not, however often."""
    breaker = a_sensitive_breaker(SteppedClock())
    results_of(breaker, [False] * 4 + [True] * 16 + [False] * 5)
    assert not breaker.is_closed


def test_half_of_its_window_opens_it_though_no_row_is_long() -> None:
    """Ten failures of the last twenty results; older results count no more."""
    breaker = a_sensitive_breaker(SteppedClock())
    results_of(breaker, [True, True, False] * 20)
    results_of(breaker, [True] * 20 + [False, True] * 9)
    assert breaker.is_closed
    results_of(breaker, [False])
    assert not breaker.is_closed


def test_what_it_counted_before_it_opened_is_forgotten_when_it_closes() -> None:
    """Or one failure more would open it again."""
    clock = SteppedClock()
    breaker = a_sensitive_breaker(clock)
    results_of(breaker, [False, True] * 9 + [False])
    clock.time = 10.0
    assert breaker.succeeded(breaker.begin_call())
    results_of(breaker, [False] * 4)
    assert breaker.is_closed


async def test_one_of_fifty_callers_is_the_probe_and_a_cancelled_one_makes_room() -> None:
    """Also when all of them ask in the same moment."""
    clock = SteppedClock()
    breaker = an_open_breaker(clock)
    clock.time = 10.0
    let_go = asyncio.Event()
    probes: list[int] = []

    async def call() -> None:
        if not breaker.admits():
            return
        begun = breaker.begin_call()
        probes.append(begun)
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            breaker.no_result(begun)
            raise
        breaker.succeeded(begun)

    async def fifty() -> asyncio.Task[None]:
        tasks = [asyncio.create_task(call()) for _ in range(50)]
        await asyncio.sleep(0)  # each of them has begun
        await asyncio.sleep(0)  # and 49 have ended
        (waiting,) = (task for task in tasks if not task.done())
        return waiting

    probe = await fifty()
    probe.cancel()
    await asyncio.wait([probe])
    assert breaker.admits()
    probe = await fifty()
    let_go.set()
    await probe
    assert (len(probes), breaker.is_closed) == (2, True)
