"""Broken variants of the delivery rules. Each must be caught by the simulation, or it is blind there."""

from collections.abc import Callable, Mapping

import pytest

from worker.delivery import lanes, locked, triage
from worker.delivery.breaker import Breaker
from worker.delivery.calls import Calls
from worker.delivery.driver import LaneDriver
from worker.delivery.epoch import Epoch
from worker.delivery.event import Event
from worker.delivery.failures import Answer, Outcome, decide
from worker.delivery.gaps import GapReleases
from worker.delivery.heads import Head, Heads
from worker.delivery.lanes import Lane, Lanes
from worker.delivery.offsets import PartitionOffsets
from worker.delivery.recorder import Entry, Recorder
from worker.delivery.seq import OrderState, Step, judge
from worker.delivery.storm_guard import StormGuard
from worker.delivery.suspects import Suspects
from worker.delivery.triage import Failed, Triage
from worker.delivery.verdicts import Recorded, Status, Verdict

Mutant = Callable[[pytest.MonkeyPatch], None]


def commits_past_an_unfinished_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PartitionOffsets, "next_offset", property(lambda self: self._received))


def finishes_a_record_when_it_is_received(patch: pytest.MonkeyPatch) -> None:
    real = PartitionOffsets.received

    def received(self: PartitionOffsets, offset: int, size: int) -> bool:
        new = real(self, offset, size)
        self.finished(offset)
        return new

    patch.setattr(PartitionOffsets, "received", received)


def a_lane_lets_two_events_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lane, "is_busy", property(lambda self: self.settling))


def _judging(patch: pytest.MonkeyPatch, instead: Mapping[Step, Step]) -> None:
    def wrong(*given: object, **named: object) -> Step:
        step = judge(*given, **named)  # type: ignore[arg-type]
        return instead.get(step, step)

    patch.setattr(lanes, "judge", wrong)


def repeats_are_not_suppressed(patch: pytest.MonkeyPatch) -> None:
    _judging(patch, {Step.REPEAT: Step.NEXT})


def gaps_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    _judging(patch, {Step.GAP: Step.NEXT})


def a_blocked_order_goes_on(patch: pytest.MonkeyPatch) -> None:
    _judging(patch, {Step.HOLD: Step.NEXT})


def a_dead_letter_counts_as_delivered(patch: pytest.MonkeyPatch) -> None:
    real = locked._still_holds

    def wrong(verdict: Verdict, state: OrderState) -> bool:
        holds = real(verdict, state)
        if holds and verdict.status is Status.DEAD:
            state.last_seq = max(state.last_seq, verdict.event.seq or 0)
            state.blocked = None
        return holds

    patch.setattr(locked, "_still_holds", wrong)


def a_parked_event_counts_as_delivered(patch: pytest.MonkeyPatch) -> None:
    def wrong(verdict: Verdict, state: OrderState) -> bool:
        state.last_seq = max(state.last_seq, verdict.event.seq or 0)
        return True

    patch.setattr(locked, "_still_parked", wrong)


def holding_waits_for_other_orders_too(patch: pytest.MonkeyPatch) -> None:
    real = Lane.next

    def wrong(self: Lane, now: float, gap_wait_seconds: float) -> lanes.Plan | None:
        plan = real(self, now, gap_wait_seconds)
        if plan and plan.step is Step.HOLD:
            Lane.held = True  # type: ignore[attr-defined]
        elif plan and plan.step is Step.NEXT and getattr(Lane, "held", False):
            return lanes.Plan(Step.HOLD, plan.events)
        return plan

    patch.setattr(Lane, "held", False, raising=False)
    patch.setattr(locked, "_still_held", lambda _verdict, _state: True)
    patch.setattr(Lane, "next", wrong)


def orders_share_a_lane(patch: pytest.MonkeyPatch) -> None:
    real = Lanes.of

    def wrong(self: Lanes, event: Event) -> Lane:
        lane = real(self, event)
        return next(iter(self._lanes.values())) if event.order_id == "o-1" else lane

    patch.setattr(Lanes, "of", wrong)


def an_outage_counts_as_the_events_own_failure(patch: pytest.MonkeyPatch) -> None:
    def wrong(answer: Answer) -> Outcome:
        outcome = decide(answer)
        return Outcome.FAILING_ALONE if outcome in {Outcome.OUTAGE, Outcome.BACK_PRESSURE} else outcome

    patch.setattr(triage, "decide", wrong)


def an_outage_does_not_open_the_breaker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "failed", lambda *_given, **_named: None)


def an_own_success_proves_that_an_event_fails_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Suspects, "take_proof", lambda _self, _event_id: True)


def an_event_dies_at_its_first_attempts(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Triage, failed: Failed) -> None:
        self._decide(failed, Status.DEAD)

    patch.setattr(Triage, "_part_with", wrong)


def an_event_dies_of_its_attempts_alone(patch: pytest.MonkeyPatch) -> None:
    real = Triage._part_with

    def wrong(self: Triage, failed: Failed) -> None:
        if failed.head.event.attempts >= self._patience.attempts:
            self._decide(failed, Status.DEAD)
        else:
            real(self, failed)

    patch.setattr(Triage, "_part_with", wrong)


def nobody_is_ever_parked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Triage, "_park", lambda *_given: None)
    patch.setattr(Triage, "_part_with", lambda *_given: None)


def parked_events_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: GapReleases) -> bool:
        return False

    patch.setattr(GapReleases, "_release", nothing)


def the_probe_is_always_the_same_order(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Heads) -> Head:
        queues = [queue for queue in (self._alone, self._shared) if queue]
        queue = max(queues, key=lambda queue: max(head.event.tries for head in queue))
        head = max(queue, key=lambda head: head.event.tries)
        queue.remove(head)
        return head

    patch.setattr(Heads, "take_first", wrong)


def a_dead_letter_is_recorded_before_it_is_copied(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Recorder, lane: Lane, verdict: Verdict) -> None:
        self._open += 1
        self._empty.clear()
        self._to_write.append(Entry(lane, verdict))
        self._write_wanted.set()

    patch.setattr(Recorder, "add", wrong)


def undecided_verdicts_are_taken_for_written(patch: pytest.MonkeyPatch) -> None:
    real = LaneDriver._recorded

    def wrong(self: LaneDriver, entries: list[Entry], recorded: Recorded) -> None:
        real(self, entries, Recorded(recorded.states))

    patch.setattr(LaneDriver, "_recorded", wrong)


def the_storm_guard_counts_held_events(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: StormGuard, verdict: Verdict) -> None:
        self._note(verdict.event.event_id if verdict.status is Status.HELD else None)

    patch.setattr(StormGuard, "judged", wrong)


def the_storm_guard_lets_everything_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StormGuard, "admits", lambda _self, _verdicts: True)


def the_storm_guard_is_one_too_late(patch: pytest.MonkeyPatch) -> None:
    real = StormGuard._would_be
    patch.setattr(StormGuard, "_would_be", lambda self, more: real(self, more) - 1)


def a_worker_goes_on_in_a_storm(patch: pytest.MonkeyPatch) -> None:
    real = StormGuard.follow
    patch.setattr(StormGuard, "follow", lambda self, _trip: real(self, None))


def a_call_does_not_look_whose_event_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epoch, "owns", lambda _self, _event: True)
    patch.setattr(Calls, "drop_queued", lambda _self: None)


def a_rebalance_does_not_wait_for_calls(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: Calls, *, within_seconds: float) -> None:
        return

    patch.setattr(Calls, "finish", nothing)


MUTANTS: tuple[Mutant, ...] = (
    commits_past_an_unfinished_record,
    finishes_a_record_when_it_is_received,
    a_lane_lets_two_events_out,
    repeats_are_not_suppressed,
    gaps_are_not_waited_for,
    a_blocked_order_goes_on,
    a_dead_letter_counts_as_delivered,
    a_parked_event_counts_as_delivered,
    holding_waits_for_other_orders_too,
    orders_share_a_lane,
    an_outage_counts_as_the_events_own_failure,
    an_outage_does_not_open_the_breaker,
    an_own_success_proves_that_an_event_fails_alone,
    an_event_dies_at_its_first_attempts,
    an_event_dies_of_its_attempts_alone,
    nobody_is_ever_parked,
    parked_events_are_forgotten,
    the_probe_is_always_the_same_order,
    a_dead_letter_is_recorded_before_it_is_copied,
    undecided_verdicts_are_taken_for_written,
    the_storm_guard_counts_held_events,
    the_storm_guard_lets_everything_pass,
    the_storm_guard_is_one_too_late,
    a_worker_goes_on_in_a_storm,
    a_call_does_not_look_whose_event_it_is,
    a_rebalance_does_not_wait_for_calls,
)
