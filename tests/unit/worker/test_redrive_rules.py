"""What an operator may do about an order, as it stands: pure rules."""

from collections.abc import Callable

import pytest

from tests.unit.worker.events import Sample
from tests.unit.worker.fakes import an_event
from worker.delivery.operator_actions import Discard, Redriving, Skip
from worker.delivery.redrive_rules import (
    MISSING_LIMIT,
    Move,
    NotNowError,
    is_baseline,
    next_move,
    plan_discard,
    plan_skip,
)
from worker.delivery.stuck import GivingUp, Head, OpenEvent, Standing
from worker.delivery.verdicts import Status


def standing(last_seq: int, *, dead: tuple[int | None, ...] = (), held: tuple[int, ...] = ()) -> Standing:
    """An order whose events are named after their numbers."""
    rows = [OpenEvent(f"e-{seq}", seq, "dead") for seq in dead]
    rows += [OpenEvent(f"e-{seq}", seq, "held") for seq in held]
    return Standing(last_seq, rows)


@pytest.mark.parametrize(
    ("seq", "last_seq", "is_dead", "move"),
    [
        (3, 2, True, Move.SEND),
        (3, 2, False, Move.SEND),
        (2, 2, True, Move.REPEAT),
        (4, 2, False, Move.MISSING),
        (4, 2, True, Move.MISSING),
        (7, 0, True, Move.SEND),
        (7, 0, False, Move.MISSING),
    ],
)
def test_only_the_next_number_goes_or_a_dead_one_that_began_its_order(
    seq: int, last_seq: int, is_dead: bool, move: Move
) -> None:
    """An order whose beginning was lost to the retention begins with the dead event itself."""
    head = Head(last_seq, an_event(Sample(seq=seq)), is_dead)
    assert next_move(head) is move
    assert is_baseline(head) is (seq == 7 and is_dead)


def test_what_cannot_be_read_does_not_go() -> None:
    """Its bytes have not become better."""
    assert next_move(Head(0, an_event(Sample(value=b"{")), is_dead=True)) is Move.UNREADABLE


def test_skip_gives_up_the_dead_event_alone() -> None:
    """With its number; what is held behind it stays."""
    plan = plan_skip(standing(1, dead=(2,), held=(3, 4)))
    assert (plan.status, plan.event_ids) == (Status.SKIPPED, ("e-2",))
    assert (plan.numbers, plan.last_seq) == (((2, "e-2"),), 2)


def test_skip_of_a_gap_gives_up_the_missing_numbers_and_no_event() -> None:
    """Of the first gap only: a second one is another decision."""
    plan = plan_skip(standing(1, held=(4, 7)))
    assert (plan.event_ids, plan.numbers, plan.last_seq) == ((), ((2, None), (3, None)), 3)


@pytest.mark.parametrize(
    ("given", "plan"),
    [
        (None, ((), 1)),
        (2, None),
        (1, ((), 1)),
    ],
)
def test_an_event_without_a_number_takes_none_with_it_if_none_is_missing(
    given: int | None, plan: tuple[tuple[()], int] | None
) -> None:
    """2 is held and comes next, so the unreadable one was something else."""
    case = standing(1, dead=(None,), held=(2,))
    if plan is None:
        with pytest.raises(NotNowError):
            plan_skip(case, seq=given)
    else:
        found = plan_skip(case, seq=given)
        assert (found.event_ids, (found.numbers, found.last_seq)) == (("e-None",), plan)


def test_an_event_without_a_number_needs_one_where_it_is_not_clear() -> None:
    """3 is held, 2 is missing: the operator says that it was 2, or that it was none of them."""
    case = standing(1, dead=(None,), held=(3,))
    with pytest.raises(NotNowError, match="--seq"):
        plan_skip(case)
    assert plan_skip(case, seq=2).numbers == ((2, "e-None"),)
    assert plan_skip(case, seq=1).numbers == ()
    with pytest.raises(NotNowError):
        plan_skip(case, seq=3)


def test_skip_touches_no_other_event_than_the_one_that_was_named() -> None:
    """A held event cannot be skipped while a dead one is before it; and a number is not guessed."""
    case = standing(1, dead=(2,), held=(3,))
    with pytest.raises(NotNowError, match="e-2"):
        plan_skip(case, event_id="e-3")
    with pytest.raises(NotNowError, match="number 2"):
        plan_skip(case, seq=3)
    with pytest.raises(NotNowError, match="e-4"):
        plan_skip(standing(1, held=(4, 5)), event_id="e-5")


def test_discard_gives_up_everything_with_the_numbers_in_between() -> None:
    """Each number once, in order; those that nobody ever saw without an event."""
    plan = plan_discard(standing(1, dead=(None, 2), held=(3, 5)))
    assert plan.status is Status.DISCARDED
    assert set(plan.event_ids) == {"e-None", "e-2", "e-3", "e-5"}
    assert plan.numbers == ((2, "e-2"), (3, "e-3"), (4, None), (5, "e-5"))
    assert plan.last_seq == 5


@pytest.mark.parametrize("plan", [plan_skip, plan_discard])
@pytest.mark.parametrize("seq", [None, 3])
def test_an_event_of_an_unknown_order_takes_no_number_with_it(
    plan: Callable[[Standing], GivingUp], seq: int | None
) -> None:
    """Nobody could be told of it, and nothing waits behind it."""
    found = plan(Standing(0, [OpenEvent("e-1", seq, "dead")], order_is_known=False))
    assert (found.event_ids, found.numbers) == (("e-1",), ())


def test_a_dead_beginning_is_given_up_from_its_own_number_on() -> None:
    """The numbers before it were never this group's to deliver."""
    assert plan_discard(standing(0, dead=(7,), held=(8,))).numbers == ((7, "e-7"), (8, "e-8"))
    assert plan_skip(standing(0, dead=(7,))).last_seq == 7


@pytest.mark.parametrize("plan", [plan_skip, plan_discard])
def test_what_goes_by_itself_is_not_given_up(plan: Callable[[Standing], GivingUp]) -> None:
    """Nothing is missing before it, so a worker may be sending it at this moment."""
    with pytest.raises(NotNowError, match="by itself"):
        plan(standing(1, held=(2, 3)))
    with pytest.raises(NotNowError, match="nothing is stuck"):
        plan(standing(1))
    with pytest.raises(NotNowError, match=f"{MISSING_LIMIT}"):
        plan(standing(0, held=(MISSING_LIMIT + 2,)))


def test_a_dry_run_tells_in_words_what_would_happen() -> None:
    """Numbers as ranges."""
    case = standing(1, dead=(2,), held=(3, 4, 6))
    assert Redriving().preview(case) == "sends 2 (dead), 3 to 4, 6 (held)"
    assert Skip().preview(case) == "gives up 2, then sends 3 to 4, 6 (held)"
    assert Discard().preview(case) == "gives up 2 to 6 (1 of them never seen)"
    assert Skip().preview(standing(1, held=(2,))).startswith("left: nothing is missing")
    assert (
        Skip(seq=1).preview(standing(1, dead=(None,)))
        == "gives up event e-None and no number, then sends nothing"
    )
