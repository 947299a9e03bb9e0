"""A Kafka and its producers under virtual time: outages, replaced sessions, refusals, deadlines."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kits.kafka.errors import (
    BufferFullError,
    KafkaConfigurationError,
    KafkaError,
    RecordRefusedError,
    RecordTooLargeError,
    SendNotDoneError,
)
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord

_TICK_SECONDS = 0.25
_BATCH = 5


class Watcher(Protocol):
    """Who sees every record that leaves a process."""

    def handed_over(self, event_id: str, deadline: Deadline) -> None:
        """A record goes to the broker now."""
        ...

    def session_replaced(self, event_ids: Sequence[str]) -> None:
        """What is unknown of these makes the producer send them again."""
        ...

    def deadline_passed(self, deadline: Deadline) -> None:
        """A record was not sent in time and is given up."""
        ...

    def answered(self) -> None:
        """A record was acknowledged, and everybody who waits for it knows."""
        ...


@dataclass(eq=False)
class Pending:
    """A record between send() and the end of its future."""

    record: OutgoingRecord
    deadline: Deadline
    since: float
    future: asyncio.Future[Acknowledgement]

    @property
    def event_id(self) -> str:
        """Out of its headers."""
        return dict(self.record.headers)["ce_id"].decode()


@dataclass(eq=False)
class Request:
    """A batch on its way; its answer is one result per record, or None: the session is broken."""

    batch: list[Pending]
    answer: asyncio.Future[list[Acknowledgement | KafkaError] | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, results: list[Acknowledgement | KafkaError] | None) -> None:
        """The first answer counts."""
        if not self.answer.done():
            self.answer.set_result(results)


class Kafka:
    """One partition's log. A request that is on its way arrives, even if its sender is dead."""

    def __init__(self, rng: random.Random, on_arrival: Callable[[str], None]) -> None:
        self._rng = rng
        self._on_arrival = on_arrival
        self._stuck: list[Request] = []
        self.log: list[str] = []
        self.refused: set[str] = set()
        self.misconfigured = False
        self.back = asyncio.Event()
        self.back.set()

    def leave(self) -> None:
        """Requests get no answer any more."""
        self.back.clear()

    def come_back(self) -> None:
        """What was on its way arrives now, or its connection is gone."""
        self.back.set()
        stuck, self._stuck = self._stuck, []
        for request in stuck:
            if self._rng.random() < 0.5:
                self._arrive(request)
            else:
                request.end(None)

    def request(self, batch: list[Pending]) -> Request:
        """Send a batch off."""
        request = Request(batch)
        seconds = self._rng.choice([0.01, 0.01, 0.1, 1.0])
        asyncio.get_running_loop().call_later(seconds, self._arrive, request)
        return request

    def cut(self, request: Request) -> None:
        """Break its connection: before it arrived, or before its answer did. It cannot arrive later."""
        if self.back.is_set() and self._rng.random() < 0.5:
            self._arrive(request, answered=False)
        request.end(None)

    def _arrive(self, request: Request, *, answered: bool = True) -> None:
        if request.answer.done():
            return
        if not self.back.is_set():
            self._stuck.append(request)
            return
        results = self._take(request.batch)
        request.end(results if answered else None)

    def _take(self, batch: Sequence[Pending]) -> list[Acknowledgement | KafkaError]:
        results: list[Acknowledgement | KafkaError] = []
        stopped: set[bytes | None] = set()
        for pending in batch:
            if self.misconfigured:
                results.append(KafkaConfigurationError("no right to write"))
            elif pending.record.key in stopped:
                results.append(SendNotDoneError("behind a refused one"))
            elif pending.event_id in self.refused:
                stopped.add(pending.record.key)
                results.append(RecordRefusedError("this very record"))
            else:
                self._on_arrival(pending.event_id)
                self.log.append(pending.event_id)
                results.append(Acknowledgement(pending.record.topic, 0, len(self.log)))
        return results


class SimulatedProducer:
    """What the Kafka kit's RecordProducer promises, without its bytes; `running` stops while it is frozen."""

    def __init__(
        self, kafka: Kafka, watcher: Watcher, running: asyncio.Event, too_large: set[str], *, max_pending: int
    ) -> None:
        self._kafka = kafka
        self._watcher = watcher
        self._running = running
        self._too_large = too_large
        self._max_pending = max_pending
        self._queue: list[Pending] = []
        self._in_flight: Request | None = None
        self._work = asyncio.Event()
        self._stopped = False
        self.last_progress = asyncio.get_running_loop().time()

    @property
    def _open(self) -> list[Pending]:
        return [*(self._in_flight.batch if self._in_flight else ()), *self._queue]

    @property
    def pending(self) -> int:
        """See the kit."""
        return len(self._open)

    @property
    def oldest_pending_seconds(self) -> float:
        """See the kit."""
        now = asyncio.get_running_loop().time()
        return max((now - pending.since for pending in self._open), default=0.0)

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        """See the kit."""
        assert isinstance(not_after, Deadline)
        loop = asyncio.get_running_loop()
        pending = Pending(record, not_after, loop.time(), loop.create_future())
        if self._stopped:
            raise SendNotDoneError("the producer is stopped")
        if pending.event_id in self._too_large:
            raise RecordTooLargeError("larger than the topic takes")
        if self.pending >= self._max_pending:
            raise BufferFullError("too much waits")
        self._queue.append(pending)
        self._work.set()
        return pending.future

    async def run(self) -> None:
        """One batch in flight; what a broken session leaves unknown goes again, first."""
        while True:
            await self._work.wait()
            await self._running.wait()
            if not self._kafka.back.is_set():
                await self._wait_for(asyncio.create_task(self._kafka.back.wait()))
            self._expire()
            await self._deliver()
            if not self._queue:
                self._work.clear()

    def break_session(self) -> None:
        """The connection dies; unknown is what was in flight."""
        if self._in_flight:
            self._kafka.cut(self._in_flight)

    async def stop(self, *, within_seconds: float) -> None:
        """Take nothing more, wait for the open sends, then give them up for certain."""
        self._stopped = True
        if self._open:
            await asyncio.wait([pending.future for pending in self._open], timeout=within_seconds)
        given_up = self._open
        self.break_session()
        self._watcher.session_replaced([pending.event_id for pending in given_up])
        self._queue, self._in_flight = [], None
        _give_up(given_up)

    async def _deliver(self) -> None:
        batch, self._queue = self._queue[:_BATCH], self._queue[_BATCH:]
        if not batch:
            return
        for pending in batch:
            self._watcher.handed_over(pending.event_id, pending.deadline)
        self._in_flight = request = self._kafka.request(batch)
        await self._wait_for(request.answer)
        results, self._in_flight = request.answer.result(), None
        if results is None:
            self._watcher.session_replaced([pending.event_id for pending in batch])
            self._queue[:0] = batch
            return
        for pending, result in zip(batch, results, strict=True):
            self._end(pending, result)

    def _end(self, pending: Pending, result: Acknowledgement | KafkaError) -> None:
        if isinstance(result, Acknowledgement):
            loop = asyncio.get_running_loop()
            self.last_progress = loop.time()
            pending.future.set_result(result)
            loop.call_soon(self._watcher.answered)
            return
        pending.future.set_exception(result)

    async def _wait_for(self, waiting: asyncio.Future[Any]) -> None:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=_TICK_SECONDS)
            await self._running.wait()
            self._expire()

    def _expire(self) -> None:
        now, keys, expired = asyncio.get_running_loop().time(), set[bytes | None](), list[Pending]()
        for pending in self._queue:
            if pending.deadline.passed(now):
                self._watcher.deadline_passed(pending.deadline)
            if pending.deadline.passed(now) or pending.record.key in keys:
                keys.add(pending.record.key)
                expired.append(pending)
        self._queue = [pending for pending in self._queue if pending not in expired]
        _give_up(expired)


def _give_up(records: Sequence[Pending]) -> None:
    for pending in records:
        pending.future.set_exception(SendNotDoneError("given up"))
