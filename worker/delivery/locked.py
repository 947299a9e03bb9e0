"""Delivery: verdicts are decided again under the lock of their order's row, where nobody else can move it."""

from collections.abc import Mapping, Sequence

from worker.delivery.seq import Block, OrderState, Step, judge
from worker.delivery.verdicts import Status, Verdict


def decide_again(
    verdicts: Sequence[Verdict], states: Mapping[str, OrderState]
) -> tuple[list[Verdict], list[Verdict]]:
    """Split verdicts into those that still hold and those whose events must be judged again.

    `states` are the locked orders; they are moved along, since the verdicts of one order build on each other.
    """
    holding: list[Verdict] = []
    undecided: list[Verdict] = []
    for verdict in verdicts:
        order_id = verdict.event.order_id
        still_holds = order_id is None or _still_holds(verdict, states[order_id])
        (holding if still_holds else undecided).append(verdict)
    return holding, undecided


def _still_holds(verdict: Verdict, state: OrderState) -> bool:
    seq = verdict.event.seq
    if verdict.status is Status.DELIVERED:
        # A fact: the platform has it, whoever else has moved the order meanwhile.
        state.last_seq = max(state.last_seq, seq or 0)
        return True
    if verdict.status is Status.DEAD:
        if seq is not None and seq <= state.last_seq:
            return False
        state.blocked = Block.DEAD
        return True
    if verdict.status is Status.RETRYING:
        return _still_parked(verdict, state)
    if verdict.status is Status.HELD:
        return _still_held(verdict, state)
    return True


def _still_parked(verdict: Verdict, state: OrderState) -> bool:
    before = (verdict.event.seq or 1) - 1
    state.last_seq = max(state.last_seq, verdict.reached_seq or 0)
    if state.last_seq != before or state.blocked is Block.DEAD:
        return False
    state.blocked = Block.GAP
    return True


def _still_held(verdict: Verdict, state: OrderState) -> bool:
    step = judge(verdict.event.seq, state, baseline=False)
    if step is Step.HOLD:
        return True
    waited = verdict.failure is not None and verdict.failure.code == Block.GAP
    if step is Step.GAP and waited:
        state.blocked = Block.GAP
        return True
    return False
