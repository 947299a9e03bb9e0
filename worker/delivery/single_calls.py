"""Delivery: one call after the other, for a command: paced, and given up as soon as the platform is away."""

import asyncio
import random

from kits.observability.logs import get_logger
from worker.delivery.breaker import wait_before_retry
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind, Outcome, code_of, decide
from worker.delivery.ports import Platform

log = get_logger(__name__)

_AWAY = frozenset({Outcome.OUTAGE, Outcome.CONFIGURATION})
_LIMIT = 10
"""So many failures in a row, or refusals to take more for now, are the platform's trouble."""


class PlatformAwayError(Exception):
    """The platform takes nothing now. Nothing was spent: the same command again goes on where this ended."""

    code = "platform_away"

    def __init__(self, outcome: Outcome, answer: Answer) -> None:
        hint = (
            "check DATA_PLATFORM_URL and DATA_PLATFORM_TOKEN"
            if outcome is Outcome.CONFIGURATION
            else "repeat the command when it is back"
        )
        said = f": {answer.reason}" if answer.reason else ""
        super().__init__(f"the data platform takes nothing now ({code_of(answer)}{said}); {hint}")


class SingleCalls:
    """Sends events by single calls, at most `per_second` of them, until it is told to stop."""

    def __init__(
        self,
        platform: Platform,
        *,
        stop: asyncio.Event,
        per_second: float | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._platform = platform
        self._stop = stop
        self._interval = 1.0 / per_second if per_second else 0.0
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._not_before = 0.0
        self._failures = 0

    async def may_go(self) -> bool:
        """Wait for the next turn; False when it is time to stop."""
        wait = self._not_before - asyncio.get_running_loop().time()
        if wait > 0:
            await self._wait(wait)
        return not self._stop.is_set()

    async def send(self, event: Event) -> tuple[Outcome, Answer]:
        """Send once: DELIVERED, DUPLICATE, REJECTED, FAILING_ALONE, or BACK_PRESSURE (then again, later).

        Raises:
            PlatformAwayError: the platform is out, our access to it is wrong, or ten calls in a row failed.
        """
        now = asyncio.get_running_loop().time()
        self._not_before = max(now, self._not_before) + self._interval
        answer = await self._ask(event)
        outcome = decide(answer)
        if outcome in {Outcome.BACK_PRESSURE, Outcome.FAILING_ALONE}:
            self._failures += 1
        else:
            self._failures = 0
        if outcome in _AWAY or self._failures >= _LIMIT:
            raise PlatformAwayError(outcome, answer)
        if outcome is Outcome.BACK_PRESSURE:
            pause = wait_before_retry(self._failures - 1, answer.retry_after_seconds, self._rng)
            self._not_before = max(self._not_before, asyncio.get_running_loop().time() + pause)
        return outcome, answer

    async def _ask(self, event: Event) -> Answer:
        try:
            return await self._platform.send(event)
        except Exception as error:
            # Our own mistake must not end the other orders: it counts as the event's failure.
            log.exception("call_failed_by_bug", events=1, action="report a bug")
            return Answer(AnswerKind.BUG, reason=repr(error))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return
