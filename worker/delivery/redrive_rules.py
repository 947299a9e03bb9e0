"""Delivery: the rules of an operator's decisions, without any I/O: what may go, be skipped, be discarded."""

from collections.abc import Sequence
from enum import Enum

from worker.delivery.stuck import GivingUp, Head, OpenEvent, Standing
from worker.delivery.verdicts import Status

MISSING_LIMIT = 1_000
"""So many numbers that nobody ever saw may be given up by one command: each is told to the platform."""


class NotNowError(Exception):
    """This cannot be done with the case as it stands; the sentence says what can."""

    code = "not_now"


class Move(Enum):
    """What to do with the first open event of an order."""

    SEND = "its turn"
    REPEAT = "its number was delivered meanwhile: it is no longer needed"
    MISSING = "a number before it is missing"
    UNREADABLE = "nothing can be made of its bytes"


def next_move(head: Head) -> Move:
    """Decide about the head of an order; a dead head of an order that never had one before is a baseline."""
    event = head.event
    if event.failure is not None or event.order_id is None or event.seq is None:
        return Move.UNREADABLE
    if event.seq <= head.last_seq:
        return Move.REPEAT
    return Move.SEND if event.seq == head.last_seq + 1 or is_baseline(head) else Move.MISSING


def is_baseline(head: Head) -> bool:
    """Whether its delivery begins the order in the middle: only its turn lets an event die."""
    return head.is_dead and head.last_seq == 0 and (head.event.seq or 1) > 1


def plan_skip(standing: Standing, *, event_id: str | None = None, seq: int | None = None) -> GivingUp:
    """Give up the dead event at the front; without one, the numbers that are missing before the held ones.

    Args:
        event_id: the operator means this event: then no other is skipped.
        seq: the number of an event in which it could not be read.

    Raises:
        NotNowError: nothing here can be skipped.
    """
    if not standing.order_is_known:
        return _alone(Status.SKIPPED, standing)
    dead = [event for event in standing.events if event.is_dead]
    if not dead:
        return _skip_missing(standing, event_id)
    chosen = next((event for event in dead if event.event_id == event_id), None if event_id else dead[0])
    if chosen is None:
        raise NotNowError(f"event {event_id} is not dead: its order is stuck at event {dead[0].event_id}")
    number = _number_of(chosen, standing, seq)
    if number is None or number <= standing.last_seq:
        return GivingUp(Status.SKIPPED, (chosen.event_id,), (), standing.last_seq)
    return GivingUp(Status.SKIPPED, (chosen.event_id,), ((number, chosen.event_id),), number)


def plan_discard(standing: Standing) -> GivingUp:
    """Give up everything that is dead or held, with the numbers that are missing in between.

    Raises:
        NotNowError: nothing is stuck here.
    """
    if not standing.order_is_known:
        return _alone(Status.DISCARDED, standing)
    events = standing.events
    dead = [event for event in events if event.is_dead]
    if not dead:
        _require_gap(standing)
    last_seq = standing.last_seq
    ids: dict[int, str] = {}
    for event in events:
        if event.seq is not None and event.seq > last_seq:
            ids.setdefault(event.seq, event.event_id)
    first = last_seq + 1
    if last_seq == 0 and dead and dead[0].seq is not None:
        first = dead[0].seq
    numbers = range(first, max(ids, default=last_seq) + 1)
    _require_few(len(numbers) - len(ids))
    return GivingUp(
        Status.DISCARDED,
        tuple(event.event_id for event in events),
        tuple((number, ids.get(number)) for number in numbers),
        max(ids, default=last_seq),
    )


def _alone(status: Status, standing: Standing) -> GivingUp:
    return GivingUp(status, tuple(event.event_id for event in standing.events), (), standing.last_seq)


def _skip_missing(standing: Standing, event_id: str | None) -> GivingUp:
    first = _require_gap(standing)
    if event_id not in {None, standing.events[0].event_id}:
        raise NotNowError(f"event {event_id} is not at the front: {standing.events[0].event_id} is")
    missing = range(standing.last_seq + 1, first)
    _require_few(len(missing))
    return GivingUp(Status.SKIPPED, (), tuple((number, None) for number in missing), first - 1)


def _number_of(dead: OpenEvent, standing: Standing, given: int | None) -> int | None:
    """The number that an event takes with it, None if no number is lost with it."""
    if dead.seq is not None:
        if given not in {None, dead.seq}:
            raise NotNowError(f"event {dead.event_id} has the number {dead.seq}, not {given}")
        return dead.seq
    expected, behind = standing.last_seq + 1, _first_known(standing.events)
    if given is None:
        if behind == expected:
            return None
        raise NotNowError(
            f"the number of event {dead.event_id} could not be read: name it with --seq"
            f" ({expected} comes next; a number before that gives up the event alone)"
        )
    # An order of which nothing was delivered may begin in the middle.
    fits = given <= expected or standing.last_seq == 0
    if not fits or (behind is not None and given >= behind):
        raise NotNowError(f"{given} is not the next number of its order, {expected} is")
    return given


def _require_gap(standing: Standing) -> int:
    """The first held number, if numbers before it are missing."""
    first = _first_known(standing.events)
    if first is None:
        raise NotNowError("nothing is stuck")
    if first <= standing.last_seq + 1:
        raise NotNowError("nothing is missing: it goes by itself, or now with `dlq redrive`")
    return first


def _require_few(missing: int) -> None:
    if missing > MISSING_LIMIT:
        raise NotNowError(
            f"{missing} numbers are missing, more than {MISSING_LIMIT}: find out where they are first"
        )


def _first_known(events: Sequence[OpenEvent]) -> int | None:
    return min((event.seq for event in events if event.seq is not None), default=None)
