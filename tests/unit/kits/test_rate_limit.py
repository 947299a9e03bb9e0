"""The rate limit under virtual time: exact bounds, fair waits, bounded memory."""

import math
from collections.abc import Iterator
from itertools import accumulate
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kits.resilience import rate_limit as module
from kits.resilience.rate_limit import RateLimiter, rate_limiter


class Clock:
    """Seconds that pass when a test says so."""

    now = 50.0

    def monotonic(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True, scope="module")
def _virtual_time() -> Iterator[None]:
    with patch.object(module, "time", CLOCK):
        yield


def a_limiter(per_second: float, burst: int, **values: int) -> tuple[RateLimiter, Clock]:
    CLOCK.now = Clock.now
    return RateLimiter(per_second, burst=burst, **values), CLOCK


def test_a_burst_is_admitted_and_the_next_is_told_how_long_to_wait() -> None:
    """Five at once, then one every half second."""
    limiter, clock = a_limiter(2, 5)
    assert [limiter.admit("a") for _ in range(6)] == [0, 0, 0, 0, 0, 0.5]
    clock.now += 0.5
    assert limiter.admit("a") == 0
    assert limiter.admit("a") == 0.5


def test_trying_too_often_does_not_make_the_wait_longer() -> None:
    """What is refused is not counted."""
    limiter, clock = a_limiter(1, 1)
    limiter.admit("a")
    assert {limiter.admit("a") for _ in range(100)} == {1.0}
    clock.now += 1
    assert limiter.admit("a") == 0


def test_one_key_does_not_slow_down_another() -> None:
    """The limit is per subject."""
    limiter, _ = a_limiter(1, 1)
    assert (limiter.admit("a"), limiter.admit("a") > 0, limiter.admit("b")) == (0, True, 0)


def test_who_stays_within_the_rate_is_never_refused() -> None:
    """For as long as it likes."""
    limiter, clock = a_limiter(4, 1)
    for _ in range(1000):
        assert limiter.admit("a") == 0
        clock.now += 0.25


def test_a_pause_restores_one_burst_and_no_more() -> None:
    """Silence is not saved up."""
    limiter, clock = a_limiter(10, 3)
    clock.now += 10_000
    assert sum(limiter.admit("a") == 0 for _ in range(10)) == 3


pauses = st.lists(st.floats(0, 3), min_size=1, max_size=200)


@given(pauses, st.floats(0.1, 50), st.integers(1, 20))
def test_no_span_of_time_holds_more_than_the_burst_and_the_rate(
    pauses: list[float], per_second: float, burst: int
) -> None:
    """The promise itself, for every span between two admissions."""
    limiter, clock = a_limiter(per_second, burst)
    admitted = []
    for moment in accumulate(pauses):
        clock.now = moment
        if limiter.admit("a") == 0:
            admitted.append(moment)
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            allowed = burst + per_second * (admitted[last] - begin)
            assert last - first + 1 <= allowed + 1e-6


@given(pauses, st.floats(0.1, 50), st.integers(1, 20))
def test_the_told_wait_is_just_long_enough(pauses: list[float], per_second: float, burst: int) -> None:
    """Whoever waits as told is admitted."""
    limiter, clock = a_limiter(per_second, burst)
    for pause in pauses:
        clock.now += pause
        if wait := limiter.admit("a"):
            clock.now += wait + 1e-9
            assert limiter.admit("a") == 0


def test_keys_whose_bucket_is_empty_are_forgotten_while_others_come() -> None:
    """A day's customers do not stay for ever."""
    limiter, clock = a_limiter(1, 1)
    for number in range(1000):
        limiter.admit(f"old-{number}")
    clock.now += 2
    for number in range(1000):
        limiter.admit(f"new-{number}")
    assert len(limiter) == 1000


def test_a_flood_of_keys_costs_bounded_memory_and_forgets_the_longest_ago() -> None:
    """The ones that asked last keep their count."""
    limiter, _ = a_limiter(0.001, 1, max_keys=100)
    for number in range(10_000):
        limiter.admit(f"c-{number}")
    assert len(limiter) == 100
    assert limiter.admit("c-9999") > 0
    assert limiter.admit("c-1") == 0


def test_a_rate_of_zero_means_no_limiter_at_all() -> None:
    """So that it costs nothing."""
    assert rate_limiter(0.0) is None


@pytest.mark.parametrize(("per_second", "burst"), [(0.2, 1), (1, 1), (2.5, 3), (100, 100)])
def test_the_burst_of_a_setting_is_what_one_second_allows(per_second: float, burst: int) -> None:
    """At least one request."""
    limiter = rate_limiter(per_second)
    assert limiter is not None
    assert sum(limiter.admit("a") == 0 for _ in range(math.ceil(per_second) + 5)) == burst


@pytest.mark.parametrize("values", [(0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limit_that_admits_nothing_is_a_mistake(values: tuple[float, int, int]) -> None:
    """It is told where it is made."""
    with pytest.raises(ValueError, match="needs a positive rate"):
        RateLimiter(values[0], burst=values[1], max_keys=values[2])
