"""Ordered queue, the engine: from claims through lanes to the sink, and from its results to the store."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.metrics import GIVEN_BACK, QueueCounts
from kits.ordered_queue.ports import Sink, Store, StoreUnavailableError
from kits.ordered_queue.retry import IN_PLACE_SECONDS, RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.process.background import PeriodicTask, Supervisor
from kits.resilience.breaker import Breaker
from kits.resilience.clock import Clock

log = get_logger(__name__)

_LOOK_SECONDS = 0.25
_RETENTION_SECONDS = 600.0
_MEASURE_SECONDS = 5.0
_BATCH = 1000


@dataclass(kw_only=True, eq=False)
class OrderedQueue:
    """Hands the items of each key, in the order of their numbers, to a sink, at least once.

    One item of a key is on its way at a time; the next one goes when its result is known, written or not: a
    crash then repeats both, in order. A failure gives the rest of the key's run back to the table. Any number
    of processes look for what waits there, and delete what ended long ago, side by side.
    """

    lanes: Lanes
    sink: Sink
    store: Store
    write_back: WriteBack
    breaker: Breaker
    retry: RetryPolicy
    clock: Clock
    counts: QueueCounts
    _is_behind: bool = field(default=False, init=False)
    _stopping: bool = field(default=False, init=False)
    _quiet: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _tasks: Supervisor = field(default_factory=Supervisor, init=False)

    def __post_init__(self) -> None:
        self._looks = PeriodicTask(self.look, interval_seconds=_LOOK_SECONDS)
        self._rounds = {
            "queue-relay": self._looks,
            "queue-retention": PeriodicTask(self._delete, interval_seconds=_RETENTION_SECONDS),
            "queue-meter": PeriodicTask(self.measure, interval_seconds=_MEASURE_SECONDS),
        }

    @property
    def held(self) -> int:
        """Items that are claimed and not written yet."""
        return self.write_back.held

    @property
    def is_full(self) -> bool:
        """Whether more may go than fits into memory, as of this round of looks: who fills the table waits."""
        return self.lanes.room == 0 or self._is_behind

    def accepts(self) -> bool:
        """Whether new items may be born claimed: the sink answers, and there is room."""
        self._watch_age()
        return self.breaker.is_closed and self.lanes.room > 0 and not self._stopping

    def offer(self, claims: Iterable[Claim]) -> None:
        """Take claims, those of a key in ascending order; send what may go. Never raises or blocks."""
        for claim in claims:
            self.write_back.hold(claim)
            if result := self.write_back.result_of(claim.item.id):
                # Sent already, under a claim that ran out before it could be written.
                self.write_back.settle(Settlement(claim, result, began=self.clock.now()))
            elif self._stopping or not self.breaker.admits() or not self.lanes.take(claim):
                self._give_back([claim])
        self._send_ready()

    async def look(self) -> bool:
        """Claim what fits and may go, nothing while the store is away; whether to look again at once."""
        self._watch_age()
        limit = self._look_limit()
        if self._stopping or limit == 0 or not self.write_back.may_take_over:
            return False
        try:
            looked = await self.store.claim(limit=limit, max_bytes=self.lanes.room_bytes)
        except StoreUnavailableError:
            self.write_back.note_outage()
            return False
        self._is_behind = looked.left or (looked.further and self._is_behind)
        self.offer(looked.claims)
        return (looked.left or looked.further) and bool(looked.claims)

    async def measure(self) -> None:
        """Set the gauges; while the store is away those of what is not done keep their last value."""
        self.counts.show_breaker(self.breaker.state)
        with suppress(StoreUnavailableError):
            self.counts.show(await self.store.backlog())

    def start(self) -> None:
        """Begin to look for items, to write results, to delete and to measure."""
        self._tasks.start("queue-write-back", self._write)
        for name, task in self._rounds.items():
            self._tasks.start(name, task.run)

    async def stop(self, *, within_seconds: float) -> None:
        """Claim nothing more, wait for what is on its way, write its results and give the rest back."""
        self._stopping = True
        self._give_back(self.lanes.give_back_waiting())
        self._note_quiet()
        try:
            async with asyncio.timeout(within_seconds):
                await self._quiet.wait()
        except TimeoutError:
            log.warning(
                "queue_stopped_with_open_sends", sends=self.lanes.on_their_way, action="none: sent again"
            )
        await self._tasks.stop()
        await self.write_back.flush(within_seconds=within_seconds)

    async def _write(self) -> None:
        while True:
            if await self.write_back.rounds():
                self._looks.nudge()

    async def _delete(self) -> bool:
        try:
            return await self.store.delete_settled(limit=_BATCH)
        except StoreUnavailableError:
            return False

    def _look_limit(self) -> int:
        """While the sink is away one item is claimed as a probe, when no other is on its way."""
        if self.breaker.is_closed:
            return min(_BATCH, self.lanes.room)
        return 1 if self.breaker.admits() and not self.lanes.on_their_way else 0

    def _watch_age(self) -> None:
        if self.sink.oldest_seconds >= self.retry.stalled_seconds and self.breaker.stalled():
            self._opened(Result(Kind.UNAVAILABLE, "stalled", "nothing is answered"))

    def _send_ready(self) -> None:
        while (claim := self.lanes.next()) is not None:
            self._send(claim)

    def _send(self, claim: Claim) -> None:
        now = self.clock.now()
        if claim.passed(now) or not self.breaker.admits():
            self._give_back([claim, *self.lanes.failed(claim)])
            return
        claim.tries += 1
        begun_under = self.breaker.begin_call()
        sent = self.sink.send(claim)
        sent.add_done_callback(partial(self._answered, claim, begun_under, now))

    def _answered(self, claim: Claim, begun_under: int, began: float, sent: asyncio.Future[Result]) -> None:
        if sent.cancelled():
            # It never left: that tells nothing about the sink.
            self.breaker.no_result(begun_under)
            self._give_back([claim, *self.lanes.failed(claim)])
            self._note_quiet()
            return
        result = _result_of(sent)
        self.counts.count(result.kind)
        match result.kind:
            case Kind.DONE | Kind.REFUSED:
                if self.breaker.succeeded(begun_under):
                    log.info("breaker_closed", held=self.held)
                    self._looks.nudge()
            case Kind.FAILED:
                opened = self.breaker.failed(begun_under, claim.item.key)
                self._opened(result) if opened else None
            case Kind.UNAVAILABLE:
                retry_after = result.retry_after_seconds
                if self.breaker.unavailable(begun_under, retry_after_seconds=retry_after):
                    self._opened(result)
        self._follow_up(claim, result, began)
        self._send_ready()
        self._note_quiet()

    def _follow_up(self, claim: Claim, result: Result, began: float) -> None:
        began = result.began or began
        if result.kind is Kind.DONE:
            self.lanes.delivered(claim)
            self.write_back.settle(Settlement(claim, result, began=began))
        elif self.retry.in_place(claim, result) and self.breaker.is_closed and not self._stopping:
            asyncio.get_running_loop().call_later(IN_PLACE_SECONDS, self._send_again, claim)
        else:
            rest = self.lanes.failed(claim)
            wait = self.retry.wait_seconds(claim, result, closings=self.breaker.closings)
            self.write_back.settle(Settlement(claim, result, wait, began))
            self._give_back(rest)

    def _send_again(self, claim: Claim) -> None:
        self._send(claim)
        self._send_ready()

    def _note_quiet(self) -> None:
        if self._stopping and not self.lanes.on_their_way:
            self._quiet.set()

    def _opened(self, result: Result) -> None:
        log.warning("breaker_opened", code=result.code, reason=result.reason, action="see the sink")
        self._give_back(self.lanes.give_back_waiting())

    def _give_back(self, claims: Sequence[Claim]) -> None:
        self.counts.count(GIVEN_BACK, len(claims))
        for claim in claims:
            self.write_back.settle(Settlement(claim))


def _result_of(sent: asyncio.Future[Result]) -> Result:
    if (error := sent.exception()) is not None:
        log.error("sink_raised", error=type(error).__name__, exc_info=error, action="report a bug")
        return Result(Kind.FAILED, "sink_error", type(error).__name__)
    return sent.result()
