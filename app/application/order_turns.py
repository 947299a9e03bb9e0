"""Use cases: changes of one order take turns, so that a crowd at it leaves the connections to others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from app.application.errors import StorageBusyError


class OrderTurns:
    """One change of an order at a time; who has waited for `seconds` is refused, nothing of it was begun."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._orders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, order_id: str) -> AsyncIterator[None]:
        """The order's turn.

        Raises:
            StorageBusyError: those before it did not end in time.
        """
        lock = self._orders.setdefault(order_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._seconds):
                await lock.acquire()
        except TimeoutError:
            raise StorageBusyError("Too many changes of this order wait: nothing was stored.") from None
        try:
            yield
        finally:
            lock.release()
