"""Delivery: per-order lanes. One event of an order at a time, different orders side by side."""

import heapq
from collections import deque
from collections.abc import Collection, Iterator

import msgspec

from worker.delivery.event import Event
from worker.delivery.seq import OrderState, Step, judge

LaneKey = str | tuple[str, int, int]


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What the head of a lane needs; several events only when they are held together."""

    step: Step
    events: list[Event]


class Lane:
    """The events of one order, in the order of arrival; `state` is None until the ledger was asked.

    `calling`: its head is on the way to the platform. `unrecorded` counts verdicts that are not in the ledger
    yet; with `settling` they must be there before the next step. A closed lane belongs to an epoch that has
    ended: it makes no step.
    """

    __slots__ = ("_arrivals", "_from_ledger", "_queue", "_waiting", "baseline", "calling", "closed", "key",
                 "settling", "state", "unrecorded")  # fmt: skip

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.state: OrderState | None = None
        self.baseline = False
        self.calling = False
        self.settling = False
        self.closed = False
        self.unrecorded = 0
        self._queue: deque[Event] = deque()
        self._waiting: list[tuple[int, int, float, Event]] = []
        self._arrivals = 0
        self._from_ledger: set[str] = set()

    def push(self, event: Event) -> bool:
        """Take an event; False if it came from the ledger and is here already."""
        if event.from_ledger:
            if event.event_id in self._from_ledger:
                return False
            self._from_ledger.add(event.event_id)
        self._queue.append(event)
        return True

    def push_back(self, events: list[Event]) -> None:
        """Put events at the front again, in their order: they must be judged once more."""
        self._queue.extendleft(reversed(events))

    def drop(self, event_ids: Collection[str]) -> list[Event]:
        """Take out the events that the ledger knows already; held ones that it sent itself stay."""
        known = [e for e in self._queue if e.event_id in event_ids and not e.from_ledger]
        if known:
            self._queue = deque(e for e in self._queue if e.event_id not in event_ids or e.from_ledger)
        return known

    def finished(self, event: Event) -> None:
        """The event has left the lane for good."""
        self._from_ledger.discard(event.event_id)

    def adopt(self, state: OrderState) -> None:
        """Take over what the ledger says; last_seq only grows."""
        last_seq = max(self.state.last_seq, state.last_seq) if self.state else state.last_seq
        self.state = OrderState(last_seq, state.blocked)

    @property
    def waiting_until(self) -> float | None:
        """When the first event that waits for a missing number has waited enough."""
        return min([until for _, _, until, _ in self._waiting]) if self._waiting else None

    @property
    def is_busy(self) -> bool:
        """The next step must wait."""
        return self.calling or self.settling

    @property
    def is_empty(self) -> bool:
        """Nothing is here and nothing is under way."""
        return not (self._queue or self._waiting or self.is_busy or self.unrecorded)

    def next(self, now: float, gap_wait_seconds: float) -> Plan | None:
        """What the head needs now; None when there is nothing, or only events that wait for a missing one."""
        state = self.state
        if state is None or self.is_busy or self.closed:
            return None
        if self._waiting and self._waiting[0][0] <= state.last_seq + 1:
            return self._plan_for(heapq.heappop(self._waiting)[3], state)
        while self._queue:
            plan = self._plan_for(self._queue.popleft(), state)
            if plan.step is not Step.GAP:
                return self._with_companions(plan, state)
            self._wait(plan.events[0], now + gap_wait_seconds)
        until = self.waiting_until
        if until is not None and (state.blocked or now >= until):
            return self._hold_waiting()
        return None

    def _plan_for(self, event: Event, state: OrderState) -> Plan:
        return Plan(judge(event.seq, state, baseline=self.baseline), [event])

    def _with_companions(self, plan: Plan, state: OrderState) -> Plan:
        if plan.step is Step.HOLD:
            while self._queue and judge(self._queue[0].seq, state, baseline=self.baseline) is Step.HOLD:
                plan.events.append(self._queue.popleft())
        return plan

    def _wait(self, event: Event, until: float) -> None:
        self._arrivals += 1
        heapq.heappush(self._waiting, (event.seq or 0, self._arrivals, until, event))

    def _hold_waiting(self) -> Plan:
        events = [heapq.heappop(self._waiting)[3] for _ in range(len(self._waiting))]
        return Plan(Step.HOLD, events)


class Lanes:
    """The lanes that have something to do."""

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, Lane] = {}

    def of(self, event: Event) -> Lane:
        """The lane of an event's order; an event of an unknown order has one of its own."""
        record = event.record
        key: LaneKey = event.order_id or (record.topic, record.partition, record.offset)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def get(self, order_id: str) -> Lane | None:
        """The lane of an order, if it has one."""
        return self._lanes.get(order_id)

    def tidy(self, lane: Lane) -> None:
        """Forget a lane that has nothing to do."""
        if lane.is_empty and self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]

    def close(self) -> None:
        """The epoch has ended: no lane makes another step, and the next epoch begins with new ones."""
        for lane in self._lanes.values():
            lane.closed = True
        self._lanes.clear()

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)
