"""Delivery: works through stuck orders one after the other, each under its lease."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from worker.delivery.ports import DeadLettersUnavailableError, LedgerUnavailableError
from worker.delivery.redrive import INTERRUPTED
from worker.delivery.redrive_rules import NotNowError
from worker.delivery.single_calls import PlatformAwayError
from worker.delivery.stuck import LEASE_SECONDS, Case, Lease, Note, StuckOrders

_ASK_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = LEASE_SECONDS + 10.0
_BUSY = "another command works on it"

Work = Callable[[Lease], Awaitable[str]]
"""What is to be done with a case; returns "" when nothing of it is left, else why."""


@dataclass(frozen=True, slots=True)
class Result:
    """How the work on a case ended; `left` is empty when nothing of it is left."""

    case: Case
    left: str = ""


class CaseWork:
    """Takes each case, works on it, gives it back.

    A case that another command has is tried again at the end, for longer than the lease of a command that was
    killed. The first trouble that is not the case's own ends the work: what was not begun is left.
    """

    def __init__(
        self, stuck: StuckOrders, *, stop: asyncio.Event, on_result: Callable[[Result], None]
    ) -> None:
        self._stuck = stuck
        self._stop = stop
        self._on_result = on_result
        self._trouble = ""

    async def run(self, cases: Sequence[Case], work: Work, note: Note | None) -> list[Result]:
        """One result per case. `note` is written when a case is taken."""
        results: list[Result] = []
        busy: list[Case] = []
        for case in cases:
            result = await self._try(case, work, note)
            if result is None:
                busy.append(case)
            else:
                results.append(result)
        return results + await self._wait_for(busy, work, note)

    async def _wait_for(self, busy: list[Case], work: Work, note: Note | None) -> list[Result]:
        results: list[Result] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_SECONDS
        while busy and loop.time() < until and not self._is_over:
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
            still: list[Case] = []
            for case in busy:
                result = await self._try(case, work, note)
                if result is None:
                    still.append(case)
                else:
                    results.append(result)
                    until = loop.time() + _PATIENCE_SECONDS
            busy = still
        return results + [self._tell(Result(case, self._trouble or _BUSY)) for case in busy]

    @property
    def _is_over(self) -> bool:
        if self._stop.is_set():
            self._trouble = self._trouble or INTERRUPTED
        return bool(self._trouble)

    async def _try(self, case: Case, work: Work, note: Note | None) -> Result | None:
        """Work on it; None if another command has it."""
        if self._is_over:
            return self._tell(Result(case, self._trouble))
        try:
            lease = await self._stuck.take(case, note)
            if lease is None:
                return None
            try:
                left = await work(lease)
            finally:
                # A lease that is not given back runs out by itself.
                with suppress(LedgerUnavailableError):
                    await self._stuck.release(lease)
        except NotNowError as error:
            left = str(error)
        except (PlatformAwayError, LedgerUnavailableError, DeadLettersUnavailableError) as error:
            left = self._trouble = str(error)
        return self._tell(Result(case, left))

    def _tell(self, result: Result) -> Result:
        self._on_result(result)
        return result
