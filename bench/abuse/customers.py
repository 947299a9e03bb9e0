"""The legitimate orders: so many a second, on kept connections, as a shop's own server would send them."""

import asyncio
import random
import secrets
from collections import Counter

import aiohttp
import msgspec

from bench.workloads import RANDOM, bodies
from kits.web.tokens.verifier import issue_token

_ACCEPTED = 202
_TRIES = 3
_WITHIN_SECONDS = 30.0


class Served(msgspec.Struct, kw_only=True):
    """What customers got: answers by status (0: none), and milliseconds from when an order was due."""

    answers: dict[int, int]
    sent_again: int
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def refused(self) -> int:
        """Orders that were not accepted."""
        return sum(number for status, number in self.answers.items() if status != _ACCEPTED)


class Customers:
    """Orders by the clock, however late the answers are; one whose connection was closed is sent again."""

    def __init__(self, url: str, *, jwt_secret: str, issuer: str, audience: str, seed: int) -> None:
        self._url = f"{url}{RANDOM.path}"
        self._rng = random.Random(seed)  # noqa: S311 - load, no secret
        self._bodies = bodies(RANDOM, self._rng)
        self._tokens = [
            issue_token(jwt_secret, f"c-{number}", issuer=issuer, audience=audience, ttl_seconds=6 * 3600)
            for number in range(50)
        ]

    async def order(self, per_second: float, seconds: float) -> Served:
        """Place orders for so long; returns when the last one is answered."""
        loop = asyncio.get_running_loop()
        answers, latencies, again = Counter[int](), list[float](), Counter[str]()
        timeout = aiohttp.ClientTimeout(total=_WITHIN_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            due, end = loop.time(), loop.time() + seconds
            while due < end:
                await asyncio.sleep(max(0.0, due - loop.time()))
                group.create_task(self._one(session, due, answers, latencies, again))
                due += self._rng.expovariate(per_second)
        ordered = sorted(latencies) or [0.0]
        return Served(
            answers=dict(answers),
            sent_again=again.total(),
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[len(ordered) * 99 // 100] * 1000,
            worst_ms=ordered[-1] * 1000,
        )

    async def _one(
        self,
        session: aiohttp.ClientSession,
        due: float,
        answers: Counter[int],
        latencies: list[float],
        again: Counter[str],
    ) -> None:
        status = 0
        headers = {
            "Authorization": f"Bearer {self._rng.choice(self._tokens)}",
            "Content-Type": "application/json",
            "Idempotency-Key": secrets.token_hex(8),
        }
        body = self._rng.choice(self._bodies)
        for _ in range(_TRIES):
            try:
                async with session.post(self._url, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
                    break
            except (aiohttp.ClientError, TimeoutError) as error:
                again[type(error).__name__] += 1
        answers[status] += 1
        latencies.append(asyncio.get_running_loop().time() - due)
