"""The storm guard: the 11th dead letter among the last 200 judged events stops the group."""

from datetime import UTC, datetime

from tests.unit.worker.events import Sample
from tests.unit.worker.fakes import an_event
from worker.delivery.storm_guard import StormGuard, Trip
from worker.delivery.verdicts import Status, Verdict

AT = datetime(2026, 11, 21, tzinfo=UTC)


def verdicts(count: int, status: Status = Status.DEAD) -> list[Verdict]:
    """So many decided events."""
    return [Verdict(an_event(Sample()), status) for _ in range(count)]


def an_open_guard() -> StormGuard:
    """A guard that has asked the ledger."""
    guard = StormGuard(on_trip=lambda: None)
    guard.follow(None)
    return guard


def test_the_eleventh_trips_it_and_is_not_admitted() -> None:
    """One by one or in one result set, which is decided as a whole."""
    guard = an_open_guard()
    assert all(guard.admits(verdicts(1)) for _ in range(10))
    assert not guard.admits(verdicts(1))
    assert guard.has_tripped
    whole = an_open_guard()
    assert whole.admits(verdicts(10))
    other = an_open_guard()
    assert not other.admits(verdicts(11))


def test_only_the_last_two_hundred_judged_events_count() -> None:
    """Held and parked events are not judged."""
    guard = an_open_guard()
    assert guard.admits(verdicts(10))
    for status, admitted in ((Status.HELD, False), (Status.RETRYING, False), (Status.DELIVERED, True)):
        for verdict in verdicts(200, status):
            guard.judged(verdict)
        following = verdicts(1)
        if admitted:
            assert guard.admits(following)
            assert guard.admits(verdicts(9))
    assert not guard.admits(verdicts(1))


def test_dead_letters_that_leave_the_window_make_room_in_the_same_decision() -> None:
    """With 195 delivered after ten dead, the oldest five leave when five more come."""
    guard = an_open_guard()
    assert guard.admits(verdicts(10))
    for verdict in verdicts(190, Status.DELIVERED):
        guard.judged(verdict)
    assert guard.admits(verdicts(10))
    assert not guard.admits(verdicts(1))


def test_it_stays_closed_until_the_ledger_was_asked_and_what_it_refused_is_saved() -> None:
    """A worker that starts while the group stands does not begin."""
    guard = StormGuard(on_trip=lambda: None)
    assert (guard.is_open, guard.has_tripped) == (False, False)
    assert not guard.follow(Trip(AT, is_released=False))
    assert guard.has_tripped
    assert guard.follow(Trip(AT, is_released=True))
    assert guard.is_open


def test_a_release_before_the_trip_was_saved_is_one_of_an_earlier_storm() -> None:
    """Otherwise a worker would go on by the row of last week."""
    guard = an_open_guard()
    refused = verdicts(11)
    guard.admits(refused)
    assert not guard.follow(Trip(AT, is_released=True))
    guard.saved([verdict.event.event_id for verdict in refused])
    assert guard.follow(None)


def test_after_a_release_those_that_were_about_to_die_do_not_count_again() -> None:
    """Or the group could never get past eleven events that are truly bad."""
    guard = an_open_guard()
    refused = verdicts(60)
    guard.admits(refused)
    event_ids = frozenset(verdict.event.event_id for verdict in refused)
    guard.saved(event_ids)
    assert guard.follow(Trip(AT, is_released=True, event_ids=event_ids))
    assert guard.admits(refused)
    assert guard.admits(verdicts(10))
    assert not guard.admits(verdicts(1))


def test_an_event_that_comes_again_counts_once() -> None:
    """A rebalance before it was written brings it back."""
    guard = an_open_guard()
    dying = verdicts(10)
    assert guard.admits(dying)
    assert guard.admits(dying)
    assert not guard.admits(verdicts(1))
