"""Start and stop of a process's parts, in order."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from kits.process.garbage_collection import long_lived_objects_set_aside


class Part(Protocol):
    """Something that runs in the background of a process."""

    async def start(self) -> None:
        """Begin."""
        ...

    async def stop(self) -> None:
        """End, within a bound of its own; also after a start that failed half-way."""
        ...


class Lifecycle:
    """Starts parts one after the other and stops those that were started in the reverse order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._started = AsyncExitStack()

    async def start(self) -> None:
        """Start each part; what one raises keeps the next from being started."""
        for part in self._parts:
            self._started.push_async_callback(part.stop)
            await part.start()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started within the block, and stopped at its end or after a start that failed or was given up."""
        try:
            await self.start()
            with long_lived_objects_set_aside():
                yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop also the part whose start failed; a stop that fails keeps no other part from its own."""
        await self._started.aclose()
