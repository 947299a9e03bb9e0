"""Kafka kit: does a broker answer? An outage shows in no other way while a client is idle."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import errors as client


class BrokerProbe:
    """Asks for metadata, one question at a time; a slow question is waited for, never cancelled."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[bool] | None = None

    async def answers(self, within_seconds: float) -> bool:
        """Whether an answer came within the bound. Never raises for an outage."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._once(), name="kafka-probe")
        await asyncio.wait([self._asking], timeout=within_seconds)
        return self._asking.done() and not self._asking.cancelled() and self._asking.result()

    async def close(self) -> None:
        """End a question that is still open, within a second."""
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait([self._asking], timeout=1.0)

    async def _once(self) -> bool:
        try:
            await self._ask()
        except (client.KafkaError, OSError, TimeoutError):
            return False
        return True
