"""Request-reply, a part of a process: a producer, and what asks or answers by it."""

from types import TracebackType
from typing import Protocol, Self

from kits.kafka.producer import RecordProducer

_STOP_SECONDS = 2.0


class Side(Protocol):
    """RpcClient or RpcServer."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class RpcPart:
    """A part of a process's lifecycle, or an `async with` block; Kafka may be away at both ends of it.

    Of two sides the client comes first: handlers may ask others.
    """

    def __init__(self, producer: RecordProducer, *sides: Side) -> None:
        self._producer = producer
        self._sides = sides

    async def start(self) -> None:
        """The producer first: whoever asks or answers sends."""
        await self._producer.start()
        for side in self._sides:
            await side.start()

    async def stop(self) -> None:
        """What is under way ends first."""
        for side in reversed(self._sides):
            await side.stop()
        await self._producer.stop(within_seconds=_STOP_SECONDS)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
