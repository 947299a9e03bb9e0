"""Delivery: the calls in flight. Forms batches, limits them, and turns answers into outcomes."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kits.observability.logs import get_logger
from worker.delivery.event import Event
from worker.delivery.failures import JUDGED, RETRIED, Answer, AnswerKind, Outcome, code_of, decide
from worker.delivery.lanes import Lane
from worker.delivery.pace import Pace, wait_before_retry
from worker.delivery.ports import Clock, Observer, Platform

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much may be under way at once: calls of each kind, and payload bytes of one batch."""

    batch_calls: int = 8
    single_calls: int = 100
    batch_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The head of a lane on its way to the platform."""

    lane: Lane
    event: Event
    baseline: bool


class Calls:
    """Sends heads of lanes. A head that must be tried again stays here until its epoch ends.

    Heads of different orders only: at most one head per lane is handed over at a time.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        clock: Clock,
        observer: Observer,
        limits: CallLimits,
        rng: random.Random,
        is_ours: Callable[[Event], bool],
        on_judged: Callable[[Head, Outcome, Answer], None],
    ) -> None:
        self._platform = platform
        self._clock = clock
        self._observer = observer
        self._limits = limits
        self._rng = rng
        self._is_ours = is_ours
        self._on_judged = on_judged
        self._pace = Pace(rng)
        self._batchable: deque[Head] = deque()
        self._singles: deque[Head] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = {True: 0, False: 0}
        self._pump_at: asyncio.TimerHandle | asyncio.Handle | None = None
        self._retries: set[asyncio.TimerHandle] = set()
        self._batches = platform.batch_size > 1

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return len(self._tasks)

    @property
    def troubled(self) -> bool:
        """Nothing has succeeded since the platform began to fail."""
        return self._pace.troubled

    def add(self, head: Head) -> None:
        """Send this head as soon as a call is free; heads added in the same moment share a batch."""
        (self._batchable if self._batches and not head.event.alone else self._singles).append(head)
        self._pump_soon()

    def drop_queued(self) -> None:
        """Begin no further call: forget all heads that are not in flight."""
        self._batchable.clear()
        self._singles.clear()
        for handle in self._retries:
            handle.cancel()
        self._retries.clear()

    async def finish(self, *, within_seconds: float) -> None:
        """Wait for the calls in flight; those that outlast the bound are cancelled, their outcome unknown."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=within_seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("calls_cancelled", calls=len(late), action="none: their events will be sent again")
            await asyncio.wait(late, timeout=1.0)

    def _pump_soon(self) -> None:
        if self._pump_at is None:
            self._pump_at = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_at = None
        loop = asyncio.get_running_loop()
        while (self._singles or self._batchable) and not (self._pace.troubled and self._tasks):
            wait = self._pace.wait_seconds(loop.time())
            if wait > 0:
                self._pump_at = loop.call_later(wait, self._pump)
                return
            if not self._begin_a_call():
                return

    def _begin_a_call(self) -> bool:
        if self._singles and self._running[False] < self._limits.single_calls:
            self._begin([self._singles.popleft()], batch=False)
        elif self._batchable and self._running[True] < self._limits.batch_calls:
            self._begin(self._take_batch(), batch=True)
        else:
            return False
        return True

    def _take_batch(self) -> list[Head]:
        heads = [self._batchable.popleft()]
        size = heads[0].event.size
        while self._batchable and len(heads) < self._platform.batch_size:
            size += self._batchable[0].event.size
            if size > self._limits.batch_bytes:
                break
            heads.append(self._batchable.popleft())
        return heads

    def _begin(self, heads: list[Head], *, batch: bool) -> None:
        self._running[batch] += 1
        task = asyncio.create_task(self._call(heads, batch=batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, heads: list[Head], *, batch: bool) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            # Directly before the call: what was taken under an assignment that has ended is not ours to send.
            heads = [head for head in heads if self._is_ours(head.event)]
            if heads:
                answers = await self._ask([head.event for head in heads], batch=batch)
                self._observer.called(batch=batch, events=len(heads), seconds=loop.time() - began)
                self._sort_out(heads, answers)
        finally:
            self._running[batch] -= 1
            # The task itself still counts as in flight while it runs.
            loop.call_soon(self._pump_soon)

    async def _ask(self, events: Sequence[Event], *, batch: bool) -> list[Answer]:
        try:
            if batch:
                return await self._platform.send_batch(events)
            return [await self._platform.send(events[0])]
        except Exception as error:
            # Our own mistake must not end the lanes of other orders: it counts as the event's failure.
            log.exception("call_failed_by_bug", events=len(events), action="report a bug")
            return [Answer(AnswerKind.BUG, batch, reason=repr(error))] * len(events)

    def _sort_out(self, heads: list[Head], answers: list[Answer]) -> None:
        again: list[tuple[Head, Answer, Outcome]] = []
        for head, answer in zip(heads, answers, strict=True):
            outcome = decide(answer)
            if outcome in JUDGED:
                self._judged(head, outcome, answer)
            elif outcome in RETRIED:
                again.append((head, answer, outcome))
            else:
                self._alone(head, outcome, answer)
        if again:
            self._try_again(again)

    def _judged(self, head: Head, outcome: Outcome, answer: Answer) -> None:
        if self._pace.troubled:
            self._observer.platform_back()
        self._pace.succeeded()
        self._observer.answered(head.event, outcome)
        if outcome is Outcome.REJECTED:
            head.event.failed(self._clock.now())
            head.event.attempts += 1
        self._on_judged(head, outcome, answer)

    def _alone(self, head: Head, outcome: Outcome, answer: Answer) -> None:
        if outcome is Outcome.NO_BATCH and self._batches:
            self._batches = False
            self._observer.batches_ended(code_of(answer))
            self._singles.extend(self._batchable)
            self._batchable.clear()
        head.event.alone = True
        self.add(head)

    def _try_again(self, again: list[tuple[Head, Answer, Outcome]]) -> None:
        """All heads of one failed call wait alike, so that they can share a batch again."""
        loop = asyncio.get_running_loop()
        head, answer, outcome = again[0]
        if not self._pace.troubled:
            self._note_failure(outcome, answer, now=loop.time())
        else:
            self._pace.failed(outcome, answer.retry_after_seconds, now=loop.time())
        now = self._clock.now()
        for each, _, _ in again:
            each.event.failed(now)
        wait = wait_before_retry(head.event.tries - 1, answer.retry_after_seconds, self._rng)
        self._observer.retrying(outcome, code_of(answer), answer.reason, events=len(again), wait_seconds=wait)
        self._later(wait, [each for each, _, _ in again])

    def _note_failure(self, outcome: Outcome, answer: Answer, *, now: float) -> None:
        self._pace.failed(outcome, answer.retry_after_seconds, now=now)
        if self._pace.troubled:
            self._observer.platform_lost(code_of(answer), answer.reason)

    def _later(self, wait: float, heads: list[Head]) -> None:
        def due() -> None:
            self._retries.discard(handle)
            for head in heads:
                self.add(head)

        handle = asyncio.get_running_loop().call_later(wait, due)
        self._retries.add(handle)
