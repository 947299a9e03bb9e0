"""Request-reply, client: sends requests, waits for their replies on a partition of its own; emits events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, TypeVar
from uuid import uuid4

from kits.kafka.errors import BufferFullError, KafkaConfigurationError, KafkaError, RecordTooLargeError
from kits.kafka.records import Acknowledgement, IncomingRecord, OutgoingRecord, TopicPartition
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.observability.traces import continue_trace, current_traceparent
from kits.process.background import Supervisor
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from kits.rpc.calls import Calls, Waiting
from kits.rpc.deadlines import WallClock, deadline_of
from kits.rpc.errors import RpcError, RpcOverloadedError, RpcTimeoutError, RpcUnavailableError
from kits.rpc.metrics import CallMetrics, Timed
from kits.rpc.patterns import Event, Pattern
from kits.rpc.ports import NeededTopics, ReplyTail, RpcProducer
from kits.rpc.values import UnreadableValueError
from kits.rpc.wire import ReplyAddress, event_record, read_reply, request_record, value_to_send

log = get_logger(__name__)
Q = TypeVar("Q")
R = TypeVar("R")
_POLL_MS = 500
_NOT_YET = "The replies are not read yet."
_AT_ONCE = 32
_AGAIN = Backoff(base_seconds=0.2, cap_seconds=3.0)


class RpcClient:
    """Asks services by their patterns, from one process, which may have many clients.

    Every call has a deadline: `timeout` seconds (5 by default, 60 at most), or what is left of the call that
    the caller is answering, if that is less. It travels with the request: a service that comes to it later
    does not carry it out. Requests with the same `key` reach one service in the order of the calls.

    Raises, from every call:
        RpcError: the service refused it, in its words.
        RpcTimeoutError: it was sent, and no reply came.
        RpcUnavailableError: Kafka did not take it, or there is no such topic.
        RpcOverloadedError: too much is under way here.
    """

    def __init__(
        self,
        *,
        producer: RpcProducer,
        tail: ReplyTail,
        topics: NeededTopics,
        metrics: CallMetrics,
        clock: WallClock,
        max_waiting: int = 10_000,
    ) -> None:
        """Args: tail: reads the reply topic; instances may share a partition of it."""
        self._producer = producer
        self._tail = tail
        self._topics = topics
        self._metrics = metrics
        self._clock = clock
        self._instance = uuid4().hex[:16]
        self._calls = Calls(self._instance, max_waiting)
        self._place: TopicPartition | None = None
        self._opened = asyncio.Event()
        self._has_stopped = False
        self._tasks = Supervisor()
        self._repeats = Repeats(every_seconds=60.0)
        self.trouble = _NOT_YET
        """Why no reply can be read now; "" while all is well."""
        metrics.waiting.set_function(lambda: len(self._calls))

    async def start(self) -> None:
        """Begin to read replies, in the background; Kafka may be away."""
        self._tasks.start("rpc-replies", self._read_replies)

    async def stop(self) -> None:
        """End what waits with RpcTimeoutError, and stop reading."""
        self._has_stopped = True
        self._opened.set()
        self._calls.end_all()
        await self._tasks.stop()
        await self._tail.close()

    async def send(
        self, pattern: Pattern[Q, R], request: Q, *, key: str | None = None, timeout: float | None = None
    ) -> R:
        """Ask, and return the reply; of a stream the last one."""
        value = value_to_send(pattern.topic, pattern.request, request)
        data = await self.ask(pattern.topic, value, key=key, timeout=timeout)
        return _read(pattern, data)

    async def stream(
        self, pattern: Pattern[Q, R], request: Q, *, key: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[R]:
        """Ask, and return the replies as they come; the deadline is that of the last one."""
        value = value_to_send(pattern.topic, pattern.request, request)
        with (
            self._timed(pattern.topic),
            await self._begin(pattern.topic, value, key, timeout) as waiting,
        ):
            while True:
                has_more, data = await waiting.next()
                if not has_more:
                    return
                yield _read(pattern, data)

    async def ask(
        self, topic: str, value: bytes | None, *, key: str | None = None, timeout: float | None = None
    ) -> bytes | None:
        """As send(), of bytes as they travel."""
        with self._timed(topic), await self._begin(topic, value, key, timeout) as waiting:
            return await waiting.last()

    async def emit(self, event: Event[Q], value: Q, *, key: str, timeout: float | None = None) -> None:
        """Publish an event; returns when the broker has it. Those of one key keep their order."""
        seconds = self._seconds(event.topic, timeout)
        data = value_to_send(event.topic, event.event, value)
        record = event_record(event.topic, data, key=key.encode(), traceparent=_traceparent())
        sent = self._hand_over(record, seconds)
        await asyncio.wait({sent}, timeout=seconds)
        if not sent.done():
            raise RpcUnavailableError(event.topic, f"Kafka took nothing within {seconds:.3g} s")
        if (error := sent.exception()) is not None:
            raise RpcUnavailableError(event.topic, str(error)) from error

    async def _begin(
        self, topic: str, value: bytes | None, key: str | None, timeout: float | None
    ) -> Waiting:
        seconds = self._seconds(topic, timeout)
        until = self._clock.now() + seconds
        place = await self._place_of_replies(topic, seconds)
        waiting = self._calls.open(topic, min(seconds, until - self._clock.now()))
        try:
            address = ReplyAddress(place.topic, place.partition, waiting.correlation_id)
            record = request_record(
                topic,
                value,
                key=None if key is None else key.encode(),
                address=address,
                deadline_ms=int(until * 1000),
                traceparent=_traceparent(),
            )
            waiting.sent(self._hand_over(record, until - self._clock.now()))
        except BaseException:
            waiting.__exit__(None, None, None)
            raise
        return waiting

    def _seconds(self, topic: str, timeout: float | None) -> float:
        now = self._clock.now()
        seconds = deadline_of(timeout, now) - now
        if seconds <= 0:
            raise RpcTimeoutError(topic, 0.0)
        return seconds

    async def _place_of_replies(self, topic: str, seconds: float) -> TopicPartition:
        if self._place is None:
            await wait_for(self._opened, seconds)
        if self._has_stopped:
            raise RpcUnavailableError(topic, "this client has stopped")
        if self._place is None:
            raise RpcUnavailableError(topic, f"the replies could not be read within {seconds:.3g} s")
        return self._place

    def _hand_over(self, record: OutgoingRecord, seconds: float) -> "asyncio.Future[Acknowledgement]":
        try:
            return self._producer.send(record, not_after=time.monotonic() + seconds)
        except BufferFullError as error:
            raise RpcOverloadedError(record.topic, str(error)) from error
        except RecordTooLargeError as error:
            raise RpcError(
                413, "request_too_large", f"The request {record.topic} is too large: {error}."
            ) from error
        except KafkaError as error:
            raise RpcUnavailableError(record.topic, str(error)) from error

    async def _read_replies(self) -> None:
        failures = 0
        while True:
            try:
                await self._topics.ensure()
                self._place = await self._tail.open()
                self._opened.set()
                while True:
                    await self._take(await self._tail.poll(_POLL_MS))
                    failures = 0
                    self.trouble = ""
            except KafkaError as error:
                self.trouble = str(error)
                wait = _AGAIN.wait_seconds(failures)
                failures += 1
                if self._repeats.due(str(error)):
                    action = "none if Kafka comes back, else change what it names"
                    if isinstance(error, KafkaConfigurationError):
                        action = "make the reply topic, or give the right to read it"
                    log.warning("rpc_replies_not_read", code=error.code, error=str(error), action=action)
                await asyncio.sleep(wait)

    async def _take(self, records: list[IncomingRecord]) -> None:
        for place, record in enumerate(records, 1):
            if not self._calls.take(read_reply(record)):
                self._metrics.late.inc()
            if place % _AT_ONCE == 0:
                # Whoever has its reply goes on, and Kafka gets work, while the others are handed out.
                await asyncio.sleep(0)

    def _timed(self, topic: str) -> Timed:
        return Timed(self._metrics, topic)


def _traceparent() -> str:
    return continue_trace(current_traceparent.get())


def _read(pattern: Pattern[Any, R], data: bytes | None) -> R:
    try:
        return pattern.reply.read(data)
    except UnreadableValueError as error:
        told = f"The reply to {pattern.topic} is not what the pattern says: {error.reason}."
        raise RpcError(502, "unreadable_reply", told, error.path) from error
