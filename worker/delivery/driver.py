"""Delivery: moves the lanes. Each head gets what it needs: a call, a verdict, or time."""

import asyncio
import random
from collections.abc import Callable, Iterable

from worker.delivery.calls import CallLimits, Calls
from worker.delivery.epoch import Epoch
from worker.delivery.event import Event, Failure, failure
from worker.delivery.halt import Halt
from worker.delivery.heads import Head
from worker.delivery.lanes import Lane, Lanes, Plan
from worker.delivery.ports import Clock, DeadLetters, Ledger, Observer, Platform
from worker.delivery.recorder import Entry, Recorder
from worker.delivery.seq import Block, OrderState, Step
from worker.delivery.storm_guard import StormGuard
from worker.delivery.verdicts import Recorded, Status, Verdict

_MOMENT_SECONDS = 0.001


class LaneDriver:
    """Takes every step that a lane can make now; answers, records and timers bring it back here."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        epoch: Epoch,
        guard: StormGuard,
        platform: Platform,
        ledger: Ledger,
        dead_letters: DeadLetters,
        clock: Clock,
        observer: Observer,
        limits: CallLimits,
        halt_seconds: float,
        gap_wait_seconds: float,
        rng: random.Random,
        on_finished: Callable[[Event], None],
        on_gap_filled: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._epoch = epoch
        self._guard = guard
        self._observer = observer
        self._clock = clock
        self._gap_wait_seconds = gap_wait_seconds
        self._on_finished = on_finished
        self._on_gap_filled = on_gap_filled
        self._timers: dict[Lane, asyncio.TimerHandle] = {}
        self.calls = Calls(
            platform=platform,
            clock=clock,
            observer=observer,
            limits=limits,
            halt=Halt(end_seconds=halt_seconds),
            rng=rng,
            is_ours=epoch.owns,
            may_begin=lambda: guard.is_open,
            on_decided=self._decided,
            on_overtaken=self._overtaken,
        )
        self.recorder = Recorder(
            ledger=ledger,
            dead_letters=dead_letters,
            guard=guard,
            observer=observer,
            rng=rng,
            on_recorded=self._recorded,
        )

    def go_on(self) -> None:
        """The storm is over: everything that stands goes on."""
        self.advance_all(list(self._lanes))
        self.calls.pump_soon()

    def advance_all(self, lanes: Iterable[Lane]) -> None:
        """Let these lanes make their steps."""
        for lane in lanes:
            self.advance(lane)

    def advance(self, lane: Lane) -> None:
        """Let a lane make every step that it can make now."""
        # A timer may fire a moment early.
        now = asyncio.get_running_loop().time() + _MOMENT_SECONDS
        while (
            self._epoch.is_live and self._guard.is_open and (plan := lane.next(now, self._gap_wait_seconds))
        ):
            self._carry_out(lane, plan)
        self._set_timer(lane)
        self._lanes.tidy(lane)

    def close(self) -> None:
        """The epoch has ended: no timer brings a lane back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    @property
    def _may_step(self) -> bool:
        return self._epoch.is_live and self._guard.is_open

    def _carry_out(self, lane: Lane, plan: Plan) -> None:
        event = plan.events[0]
        if plan.step is Step.REPEAT:
            self._suppress(lane, event)
        elif plan.step is Step.HOLD:
            reason = _reason_to_hold(lane.state)
            for each in plan.events:
                self._settle(lane, Verdict(each, Status.HELD, reason))
        elif event.failure is not None:
            event.failed(self._clock.now())
            self._settle(lane, Verdict(event, Status.DEAD, event.failure))
        else:
            lane.calling = True
            self.calls.add(Head(lane, event, plan.step is Step.BASELINE))

    def _suppress(self, lane: Lane, event: Event) -> None:
        self._observer.suppressed(event)
        if event.from_ledger:
            reason = failure("repeat", "repeat", "Its number was delivered before.")
            self._settle(lane, Verdict(event, Status.SKIPPED, reason))
        else:
            self._on_finished(event)

    def _decided(self, lane: Lane, verdict: Verdict) -> None:
        lane.calling = False
        state, seq = lane.state, verdict.event.seq
        if (
            verdict.status is not Status.DELIVERED
            or state is None
            or state.blocked is not None
            or seq is None
        ):
            self._settle(lane, verdict)
            return
        # The next event need not wait for the ledger: a crash now would repeat both, in their order.
        state.last_seq = max(state.last_seq, seq)
        self._record(lane, verdict)
        self.advance(lane)

    def _overtaken(self, head: Head) -> None:
        head.lane.calling = False
        head.lane.push_back([head.event])
        self.advance(head.lane)

    def _settle(self, lane: Lane, verdict: Verdict) -> None:
        """Nothing more of this order before the verdict is in the ledger."""
        lane.settling = True
        self._record(lane, verdict)

    def _record(self, lane: Lane, verdict: Verdict) -> None:
        lane.unrecorded += 1
        self.recorder.add(lane, verdict)

    def _recorded(self, entries: list[Entry], recorded: Recorded) -> None:
        self._adopt(recorded)
        undecided = set(recorded.undecided)
        again: dict[Lane, list[Event]] = {}
        for entry in entries:
            lane, verdict = entry.lane, entry.verdict
            lane.unrecorded -= 1
            if verdict in undecided:
                again.setdefault(lane, []).append(verdict.event)
            else:
                self._observer.recorded(verdict)
                lane.finished(verdict.event)
                self._on_finished(verdict.event)
                if lane.closed and verdict.status is Status.DELIVERED:
                    self._told_late(verdict.event)
        for lane, events in again.items():
            lane.push_back(events)
        for lane in dict.fromkeys(entry.lane for entry in entries):
            if lane.settling or lane.key in recorded.states:
                lane.settling = lane.settling and lane.unrecorded > 0
                self.advance(lane)
            else:
                # It did not wait for this.
                self._lanes.tidy(lane)

    def _told_late(self, event: Event) -> None:
        """A verdict of an epoch before was written now: the order's lane of this epoch has asked before."""
        lane = self._lanes.get(event.order_id or "")
        if lane is not None and lane.state is not None and event.seq is not None:
            lane.state.last_seq = max(lane.state.last_seq, event.seq)

    def _adopt(self, recorded: Recorded) -> None:
        for order_id, state in recorded.states.items():
            lane = self._lanes.get(order_id)
            if lane is not None:
                lane.adopt(state)
            if state.blocked is Block.GAP:
                self._on_gap_filled()

    def _set_timer(self, lane: Lane) -> None:
        if lane.waiting_until is None and lane not in self._timers:
            return
        may_wait = self._may_step and not lane.closed and not lane.is_busy
        until = lane.waiting_until if may_wait else None
        timer = self._timers.get(lane)
        if timer is not None and timer.when() != until:
            self._timers.pop(lane).cancel()
            timer = None
        if timer is None and until is not None:
            self._timers[lane] = asyncio.get_running_loop().call_at(until, self._waited_enough, lane)

    def _waited_enough(self, lane: Lane) -> None:
        self._timers.pop(lane, None)
        self.advance(lane)


def _reason_to_hold(state: OrderState | None) -> Failure:
    if state is not None and state.blocked is Block.DEAD:
        return failure("blocked", "blocked", "An earlier event of its order is a dead letter.")
    return failure("gap", "gap", "An earlier number of its order is missing or being retried.")
