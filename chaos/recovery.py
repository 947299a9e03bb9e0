"""Recovery: how long after the end of a fault an order that was placed after it has reached the platform."""

import asyncio
from collections.abc import Callable

import aiohttp

from chaos.client_record import ClientRecord

_LOOK_SECONDS = 0.25
_WITHIN_SECONDS = 300.0


class Recovery:
    """Watches the way of the next accepted order; other faults may lie in its way, and count."""

    def __init__(self, record: ClientRecord, platform_url: Callable[[], str]) -> None:
        self._record = record
        self._platform_url = platform_url

    async def seconds(self) -> float | None:
        """From now until the arrival of an order that is accepted from now on; None: not within 5 minutes."""
        loop = asyncio.get_running_loop()
        began, known = loop.time(), len(self._record.newest)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            while loop.time() - began < _WITHIN_SECONDS:
                following = self._record.newest[known : known + 1]
                if following and await self._has_arrived(session, following[0]):
                    return loop.time() - began
                await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def _has_arrived(self, session: aiohttp.ClientSession, order_id: str) -> bool:
        try:
            async with session.get(f"{self._platform_url()}/received?orderId={order_id}") as answer:
                return bool((await answer.json())["arrivals"])
        except (aiohttp.ClientError, TimeoutError):
            return False
