"""Request-reply, calls: who waits for which reply, bounded in number and in what waits to be taken."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from kits.kafka.errors import SendNotDoneError
from kits.kafka.records import Acknowledgement
from kits.rpc.errors import RpcError, RpcOverloadedError, RpcTimeoutError, RpcUnavailableError
from kits.rpc.wire import Reply

_MAX_UNTAKEN = 10_000
_MAX_UNTAKEN_BYTES = 64 * 1_048_576


class Waiting:
    """One call that waits: its replies in order, and how it ends. To be used in a `with` block."""

    def __init__(self, calls: "Calls", topic: str, correlation_id: str, seconds: float) -> None:
        self.topic = topic
        self.correlation_id = correlation_id
        self._calls = calls
        self._seconds = seconds
        self._sent: asyncio.Future[Acknowledgement] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)
        self._replies: deque[bytes | None] = deque()
        self._bytes = 0
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: RpcError | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._calls.forget(self)

    def sent(self, sent: asyncio.Future[Acknowledgement]) -> None:
        """The request is on its way to Kafka."""
        self._sent = sent
        sent.add_done_callback(self._note_sent)

    def take(self, reply: Reply) -> None:
        """A reply has come; nothing counts any more after the last one."""
        if self._is_over:
            return
        if reply.error is not None:
            self._error = reply.error
        # An empty last one only ends: NestJS sends it after the last element of a stream.
        elif reply.value is not None or not reply.is_last:
            self._replies.append(reply.value)
            self._bytes += len(reply.value or b"")
        if reply.is_last:
            self._end()
        if len(self._replies) > _MAX_UNTAKEN or self._bytes > _MAX_UNTAKEN_BYTES:
            told = f"{len(self._replies)} of its replies ({self._bytes} bytes) wait to be taken"
            self.fail(RpcOverloadedError(self.topic, told))
        self._wake()

    def fail(self, error: RpcError) -> None:
        """End it; what has come before can still be taken."""
        self._error = error
        self._end()
        self._wake()

    async def last(self) -> bytes | None:
        """The last reply, when all have come. Raises: its RpcError."""
        last: bytes | None = None
        while True:
            while self._replies:
                last = self._taken()
            if self._error is not None:
                raise self._error
            if self._is_over:
                return last
            await self._wait()

    async def next(self) -> tuple[bool, bytes | None]:
        """Whether there is one more reply, and it. Raises: its RpcError."""
        while not self._replies:
            if self._error is not None:
                raise self._error
            if self._is_over:
                return False, None
            await self._wait()
        return True, self._taken()

    def _taken(self) -> bytes | None:
        reply = self._replies.popleft()
        self._bytes -= len(reply or b"")
        return reply

    def _end(self) -> None:
        """Nothing counts any more, so nobody need know it: a caller may keep its stream open for ever."""
        self._is_over = True
        self._timer.cancel()
        self._calls.forget(self)

    def _expire(self) -> None:
        if self._sent is not None and self._sent.done() and self._sent.exception() is None:
            self.fail(RpcTimeoutError(self.topic, self._seconds))
        else:
            self.fail(RpcUnavailableError(self.topic, f"Kafka took nothing within {self._seconds:.3g} s"))

    def _note_sent(self, sent: asyncio.Future[Acknowledgement]) -> None:
        error = None if sent.cancelled() else sent.exception()
        # One that is perhaps in the log may be answered yet.
        if error is not None and not isinstance(error, SendNotDoneError) and not self._is_over:
            self.fail(RpcUnavailableError(self.topic, str(error)))

    async def _wait(self) -> None:
        await self._news
        self._news = asyncio.get_running_loop().create_future()

    def _wake(self) -> None:
        if not self._news.done():
            self._news.set_result(None)


class Calls:
    """All calls of one client that wait."""

    def __init__(self, instance: str, max_waiting: int) -> None:
        """Args: instance: stands before each correlation id, so that clients may share a partition."""
        self._instance = instance
        self._max_waiting = max_waiting
        self._waiting: dict[str, Waiting] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self, topic: str, seconds: float) -> Waiting:
        """Begin to wait, for so long.

        Raises:
            RpcOverloadedError: too many wait.
        """
        if len(self._waiting) >= self._max_waiting:
            raise RpcOverloadedError(topic, f"{len(self._waiting)} calls wait for replies already")
        self._last += 1
        waiting = Waiting(self, topic, f"{self._instance}-{self._last}", seconds)
        self._waiting[waiting.correlation_id] = waiting
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Nobody waits any more."""
        self._waiting.pop(waiting.correlation_id, None)

    def take(self, reply: Reply) -> bool:
        """Hand a reply to its call; False for one of ours that nobody waits for."""
        waiting = self._waiting.get(reply.correlation_id)
        if waiting is not None:
            waiting.take(reply)
        return waiting is not None or not reply.correlation_id.startswith(self._instance)

    def end_all(self) -> None:
        """End them: this client stops."""
        for waiting in list(self._waiting.values()):
            waiting.fail(RpcTimeoutError(waiting.topic, 0.0))
