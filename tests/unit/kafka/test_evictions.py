"""When being thrown out of a group means that somebody else has our instance id."""

from kits.kafka.evictions import Evictions


def noted(*times: float) -> list[bool]:
    moments = iter(times)
    evictions = Evictions(lambda: next(moments))
    return [evictions.note() for _ in times]


def test_the_third_within_a_minute_is_a_fight() -> None:
    assert noted(0.0, 1.0, 2.0) == [False, False, True]


def test_restarts_that_overlapped_and_long_pauses_are_none() -> None:
    assert noted(0.0, 50.0, 100.0, 150.0) == [False, False, False, False]


def test_old_ones_are_forgotten() -> None:
    assert noted(0.0, 100.0, 101.0, 102.0) == [False, False, False, True]
