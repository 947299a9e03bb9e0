"""Delivery: the seq rule. What is to be done with an event, given what its order has seen."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Block(StrEnum):
    """Why an order takes no new event."""

    DEAD = "dead"
    """An event of it is a dead letter: nothing goes until an operator has decided."""
    GAP = "gap"
    """Events are held behind a number that is missing or parked: it goes, and then they go by themselves."""


@dataclass(slots=True)
class OrderState:
    """What is known of one order: the highest delivered seq (0: none) and whether it is blocked."""

    last_seq: int = 0
    blocked: Block | None = None


class Step(Enum):
    """What to do with the event at the head."""

    REPEAT = "delivered before: suppress it"
    NEXT = "its turn"
    BASELINE = "the first event of an order whose beginning was no longer in the log"
    GAP = "numbers are missing before it: wait for them"
    HOLD = "its order is blocked: keep it in the ledger"


def judge(seq: int | None, state: OrderState, *, baseline: bool) -> Step:  # noqa: PLR0911 - a table
    """Decide about an event.

    Args:
        seq: None when it could not be read: such an event has no place to wait for, it is judged at once.
        baseline: the log of its partition had lost its beginning when the group first saw it.
    """
    if seq is None:
        return Step.NEXT
    if seq <= state.last_seq:
        return Step.REPEAT
    if state.blocked is Block.DEAD:
        return Step.HOLD
    if seq == state.last_seq + 1:
        return Step.NEXT
    if state.blocked is Block.GAP:
        return Step.HOLD
    if baseline and state.last_seq == 0:
        return Step.BASELINE
    return Step.GAP
