"""Delivery: the calls in flight. Begins them as the breaker lets it, one for each head or batch of heads."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kits.observability.logs import get_logger
from worker.delivery.breaker import Breaker, BreakerState
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.halt import Halt
from worker.delivery.heads import Head, Heads
from worker.delivery.lanes import Lane
from worker.delivery.ports import Clock, Observer, Platform
from worker.delivery.triage import Call, Patience, Triage
from worker.delivery.verdicts import Verdict

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Calls of each kind at once, payload bytes of one batch, and the patience with what fails alone."""

    batch_calls: int = 8
    single_calls: int = 100
    batch_bytes: int = 1_000_000
    patience: Patience = field(default_factory=Patience)


class Calls:
    """Sends heads of lanes. A head that must be tried again stays here until it is decided or its epoch ends.

    Heads of different orders only: at most one head per lane is handed over at a time.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        clock: Clock,
        observer: Observer,
        limits: CallLimits,
        halt: Halt,
        rng: random.Random,
        is_ours: Callable[[Event], bool],
        may_begin: Callable[[], bool],
        on_decided: Callable[[Lane, Verdict], None],
        on_overtaken: Callable[[Head], None],
    ) -> None:
        self._on_overtaken = on_overtaken
        self._platform = platform
        self._observer = observer
        self._limits = limits
        self._is_ours = is_ours
        self._may_begin = may_begin
        self._heads = Heads(
            batch_size=platform.batch_size, batch_bytes=limits.batch_bytes, on_ripe=self.pump_soon
        )
        self.breaker = Breaker(rng, self._breaker_changed)
        self._triage = Triage(
            breaker=self.breaker,
            halt=halt,
            patience=limits.patience,
            heads=self._heads,
            clock=clock,
            observer=observer,
            rng=rng,
            on_decided=on_decided,
        )
        self.halt = halt
        self._begun = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = {True: 0, False: 0}
        self._pump_at: asyncio.TimerHandle | asyncio.Handle | None = None

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return len(self._tasks)

    @property
    def heads(self) -> int:
        """How many orders wait for a call here."""
        return self._heads.count

    @property
    def is_saturated(self) -> bool:
        """The platform is away, and heads of enough different orders are here to find out when it is back."""
        return not self.breaker.is_closed and self.heads >= self.breaker.heads_wanted

    def add(self, head: Head) -> None:
        """Send this head as soon as a call is free; heads added in the same moment share a batch."""
        self._heads.add(head)
        self.pump_soon()

    def drop_queued(self) -> None:
        """Begin no further call: forget all heads that are not in flight."""
        self._heads.clear()
        self._triage.suspects.clear()

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

    def pump_soon(self) -> None:
        """Something may go now."""
        if self._pump_at is None:
            self._pump_at = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_at = None
        loop = asyncio.get_running_loop()
        while self._heads and self._may_begin():
            wait = self.breaker.wait_seconds(loop.time())
            if wait > 0:
                if wait < math.inf:
                    self._pump_at = loop.call_later(wait, self._pump)
                return
            if not self._begin_a_call():
                return

    def _begin_a_call(self) -> bool:
        if not self.breaker.is_closed:
            self._begin([self._heads.take_first()], batch=False)
        elif self._heads.has_alone and self._running[False] < self._limits.single_calls:
            self._begin([self._heads.take_single()], batch=False)
        elif self._heads.has_shared and self._running[True] < self._limits.batch_calls:
            self._begin(self._heads.take_batch(), batch=True)
        else:
            return False
        return True

    def _begin(self, heads: list[Head], *, batch: bool) -> None:
        self._begun += 1
        is_probe = not self.breaker.is_closed
        call = Call(self._begun, self.breaker.admit(), is_probe)
        self._running[batch] += 1
        task = asyncio.create_task(self._call(call, heads, batch=batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, call: Call, heads: list[Head], *, batch: bool) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            # Directly before the call: what was taken under an assignment that has ended is not ours to send.
            heads = self._standing([head for head in heads if self._is_ours(head.event)])
            if heads:
                answers = await self._ask([head.event for head in heads], batch=batch)
                self._observer.called(batch=batch, events=len(heads), seconds=loop.time() - began)
                self._triage.sort_out(call, heads, answers, now=loop.time())
        finally:
            self.breaker.no_result(call.begun_under)
            self._running[batch] -= 1
            # The task itself still counts as in flight while it runs.
            loop.call_soon(self.pump_soon)

    def _standing(self, heads: Sequence[Head]) -> list[Head]:
        overtaken = [head for head in heads if head.is_overtaken]
        for head in overtaken:
            self._triage.suspects.drop(head.event.event_id)
            self._on_overtaken(head)
        return [head for head in heads if head not in overtaken] if overtaken else list(heads)

    async def _ask(self, events: Sequence[Event], *, batch: bool) -> list[Answer]:
        try:
            if batch:
                return await self._platform.send_batch(events)
            return [await self._platform.send(events[0])]
        except Exception as error:
            # Our own mistake must not end the lanes of other orders: it counts as the event's failure.
            log.exception("call_failed_by_bug", events=len(events), action="report a bug")
            return [Answer(AnswerKind.BUG, batch, reason=repr(error))] * len(events)

    def _breaker_changed(self, state: BreakerState, code: str, reason: str) -> None:
        # What failed or succeeded before says nothing about what comes now.
        self._triage.suspects.clear()
        self._observer.breaker_changed(state, code, reason)
