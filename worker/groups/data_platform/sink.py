"""Data platform: where the inbox's events go. Gathers them into batches, and asks alone where those fail."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim, Kind, Result
from kits.resilience.clock import Clock
from worker.groups.data_platform.answers import Answer, meaning_of
from worker.groups.data_platform.client import DataPlatformClient
from worker.groups.data_platform.halt import Halt
from worker.inbox.item import InboxItem
from worker.metrics import DeliveryMetrics

log = get_logger(__name__)

_LIMITED = Result(
    Kind.UNAVAILABLE,
    "dead_letter_limit",
    "too many events would be dead letters: `python -m worker dlq release --reason …` lets them go on",
)
_ON_TRIAL = Result(
    Kind.UNAVAILABLE,
    "dead_letter_limit",
    "the dead-letter limit was released: one event at a time goes until one of them is taken",
)

Send = tuple[Claim, InboxItem, asyncio.Future[Result]]
"""What was handed in, its event, and where its result goes."""


class DeadLetterLimit(Protocol):
    """Whether too many events have died lately, in any worker."""

    @property
    def is_tripped(self) -> bool:
        """Nothing may be sent until an operator lets it go on."""
        ...

    @property
    def is_on_trial(self) -> bool:
        """It was let go on, and nothing has been taken since: one event at a time."""
        ...

    def pass_trial(self) -> None:
        """An event was taken."""
        ...


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Events and payload bytes of one batch, and calls of each kind at once."""

    batch_size: int = 100
    """1: single calls only."""
    batch_bytes: int = 1_000_000
    batch_calls: int = 8
    single_calls: int = 100


class DataPlatformSink:
    """kits.ordered_queue.sink.Sink: what is handed in within one turn of the loop goes together.

    One item of an order at a time is handed in, so a batch has at most one of each. A batch judges its events
    only by a readable 200; what it does not judge is sent again alone. An attempt is spent by a single call
    alone, and what goes alone from the start, because nothing else is on its way, goes by one as well.

    While the latest 200 to a batch could not be read, a 2xx to a single call may be a proxy's: it counts as
    unavailable, and every call begins as a batch, until one can be read.
    """

    oldest_seconds = 0.0
    """Every call ends by itself."""

    def __init__(
        self,
        *,
        client: DataPlatformClient,
        clock: Clock,
        limit: DeadLetterLimit,
        halt: Halt,
        metrics: DeliveryMetrics,
        limits: CallLimits,
    ) -> None:
        self._client = client
        self._clock = clock
        self._limit = limit
        self._halt = halt
        self._metrics = metrics
        self._limits = limits
        self._gathered: deque[Send] = deque()
        self._alone: deque[Send] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._batches = 0
        self._singles = 0
        self._begins = False
        self._knows_batches = limits.batch_size > 1
        self._is_proven = True
        self._logs_each = log.is_enabled_for(logging.DEBUG)

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """See Sink."""
        sent: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        limit = self._limit
        if limit.is_tripped or (limit.is_on_trial and self._is_busy):
            sent.set_result(_LIMITED if limit.is_tripped else _ON_TRIAL)
            return sent
        # The inbox's store makes no other items.
        self._gathered.append((claim, cast(InboxItem, claim.item), sent))
        self._begin_soon()
        return sent

    async def stop(self) -> None:
        """End the calls that still run; what became of them stays unknown."""
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        if calls:
            log.warning("calls_cancelled", calls=len(calls), action="none: their events are sent again")
            await asyncio.wait(calls, timeout=1.0)

    @property
    def _is_busy(self) -> bool:
        return bool(self._gathered or self._alone or self._batches or self._singles)

    def _begin_soon(self) -> None:
        if not self._begins:
            self._begins = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._begins = False
        if not self._knows_batches:
            self._alone += self._gathered
            self._gathered.clear()
        elif len(self._gathered) == 1 and not self._batches and self._is_proven:
            self._alone.append(self._gathered.popleft())
        while self._alone and self._singles < self._limits.single_calls:
            self._singles += 1
            self._start(self._call_alone(self._alone.popleft()))
        while self._gathered and self._batches < self._limits.batch_calls:
            self._batches += 1
            self._start(self._call_together(self._take_batch()))

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _take_batch(self) -> list[Send]:
        gathered, limits = self._gathered, self._limits
        replayed = gathered[0][1].replayed
        batch: list[Send] = []
        size = 0
        while gathered and len(batch) < limits.batch_size:
            item = gathered[0][1]
            size += len(item.payload)
            if batch and (size > limits.batch_bytes or item.replayed != replayed):
                break
            batch.append(gathered.popleft())
        return batch

    async def _call_together(self, batch: Sequence[Send]) -> None:
        try:
            await self._send_together(batch)
        except Exception:
            # Our own mistake with one of them must not be the others'.
            log.exception("batch_failed_by_bug", events=len(batch), action="report a bug")
            self._alone += (send for send in batch if not send[2].done())
        finally:
            self._batches -= 1
            self._begin_soon()

    async def _send_together(self, batch: Sequence[Send]) -> None:
        sends, began, within = self._still_in_time(batch)
        if not sends:
            return
        answers = await self._client.send_batch([item for _, item, _ in sends], begin_within=within)
        self._metrics.batch_seconds.observe(self._clock.now() - began)
        self._note_batch(answers[0])
        for send, answer in zip(sends, answers, strict=True):
            self._judge(send, answer, meaning_of(answer, began=began))

    async def _call_alone(self, send: Send) -> None:
        try:
            sends, began, within = self._still_in_time([send])
            if not sends:
                return
            answer = await self._client.send(send[1], begin_within=within)
            self._metrics.single_seconds.observe(self._clock.now() - began)
            self._judge(send, answer, meaning_of(answer, began=began, proven=self._is_proven))
        except Exception as error:  # noqa: BLE001 - the queue logs it, and counts it as failed
            send[2].set_exception(error)
        finally:
            self._singles -= 1
            self._begin_soon()

    def _still_in_time(self, sends: Sequence[Send]) -> tuple[Sequence[Send], float, float]:
        """What may still leave, the time now, and within how many seconds it must; the rest never leaves."""
        now = self._clock.now()
        until = min(claim.until for claim, _, _ in sends)
        if until <= now:
            late = [send for send in sends if send[0].passed(now)]
            for _, _, sent in late:
                sent.cancel()
            sends = [send for send in sends if not send[0].passed(now)]
            until = min((claim.until for claim, _, _ in sends), default=now)
        return sends, now, until - now

    def _note_batch(self, answer: Answer) -> None:
        if answer.knows_no_batch:
            self._knows_batches = False
            self._is_proven = True
            action = "none, or set DATA_PLATFORM_BATCH_SIZE=1; single calls until the next start"
            log.warning("platform_has_no_batches", status=answer.status, action=action)
        elif answer.is_unreadable:
            if self._is_proven:
                action = "look who answers at DATA_PLATFORM_URL, or set DATA_PLATFORM_BATCH_SIZE=1"
                log.warning("batch_answer_unreadable", reason=answer.reason, action=action)
            self._is_proven = False
        elif answer.said is not None:
            self._is_proven = True

    def _judge(self, send: Send, answer: Answer, result: Result | None) -> None:
        _, item, sent = send
        if result is None:
            self._alone.append(send)
            return
        if result.kind is Kind.FAILED:
            if answer.is_misconfigured and not item.attempts:
                self._halt.failed(result.code)
        else:
            self._halt.clear()
        if result.kind is Kind.DONE:
            if self._limit.is_on_trial:
                self._limit.pass_trial()
            self._metrics.delivered(item.event_type, item.headers)
            if self._logs_each:
                log.debug(
                    "event_delivered", order_id=item.key, event_id=item.id, seq=item.number,
                    partition=item.partition, offset=item.offset, outcome=answer.said or answer.status,
                )  # fmt: skip
        sent.set_result(result)
