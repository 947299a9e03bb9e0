"""The load: shoppers come at a steady pace, whatever is broken, until they are told to go home."""

import asyncio
import random
import time
from itertools import count

import aiohttp

from chaos.client_record import ClientRecord
from chaos.goods import CUSTOMERS
from chaos.shopper import Doors, Shopper
from kits.web.tokens.verifier import issue_token

_MOST_SHOPPERS = 250
_HOURS = 3600
# Wide enough on both sides for a clock that is two hours wrong.
_TOKEN_AGE_SECONDS, _TOKEN_SECONDS = 6 * _HOURS, 48 * _HOURS


class ShopLoad:
    """`per_second` shoppers a second, at most 250 at a time: beyond them the next one waits outside."""

    def __init__(self, doors: Doors, *, jwt_secret: str, per_second: float, seed: int) -> None:
        self.record = ClientRecord()
        self._doors = doors
        self._pause_seconds = 1 / per_second
        self._rng = random.Random(seed)  # noqa: S311 - load, no secret
        self._places = asyncio.Semaphore(_MOST_SHOPPERS)
        self._closed = asyncio.Event()
        self._campaign = f"{self._rng.getrandbits(32):08x}"
        self._tokens = [_token(jwt_secret, f"c-{number}", "orders:fulfil") for number in range(CUSTOMERS)]
        self._pay_token = _token(jwt_secret, "psp", "orders:pay")

    def close(self) -> None:
        """Nobody comes in any more."""
        self._closed.set()

    async def run(self) -> None:
        """Send shoppers until closed, then wait for those who are inside."""
        connector = aiohttp.TCPConnector(limit=_MOST_SHOPPERS)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as inside:
            for number in count():
                await self._places.acquire()
                if self._closed.is_set():
                    return
                token, seed = self._rng.choice(self._tokens), self._rng.getrandbits(32)
                shopper = Shopper(session, self._doors, token, self.record, seed, pay_token=self._pay_token)
                visit = inside.create_task(shopper.shop(f"{self._campaign}-{number}"))
                visit.add_done_callback(lambda _: self._places.release())
                await asyncio.sleep(self._pause_seconds)


def _token(jwt_secret: str, sub: str, scope: str) -> str:
    return issue_token(
        jwt_secret,
        sub,
        issuer="order-pipeline",
        audience="orders",
        ttl_seconds=_TOKEN_SECONDS,
        now=int(time.time()) - _TOKEN_AGE_SECONDS,
        scopes=[scope],
    )
