"""Delivery: verdicts on their way into the ledger; dead ones are copied to the dead-letter topic first."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from kits.resilience.retry import Backoff
from worker.delivery.lanes import Lane
from worker.delivery.ports import (
    DeadLetters,
    DeadLettersUnavailableError,
    Ledger,
    LedgerUnavailableError,
    Observer,
)
from worker.delivery.storm_guard import StormGuard
from worker.delivery.verdicts import Recorded, Status, Verdict

T = TypeVar("T")
RETRY = Backoff(base_seconds=0.1, cap_seconds=5.0)
_WRITE_LIMIT = 1_000
_COPY_LIMIT = 500


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A verdict and the lane that waits for it."""

    lane: Lane
    verdict: Verdict


class Recorder:
    """Writes what has gathered in one transaction, again and again until it is safe, and keeps the order.

    Bounded by the records in flight. While the ledger or the dead-letter topic is away everything waits here.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        dead_letters: DeadLetters,
        guard: StormGuard,
        observer: Observer,
        rng: random.Random,
        on_recorded: Callable[[list[Entry], Recorded], None],
    ) -> None:
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._guard = guard
        self._observer = observer
        self._rng = rng
        self._on_recorded = on_recorded
        self._to_copy: deque[Entry] = deque()
        self._to_write: deque[Entry] = deque()
        self._copy_wanted = asyncio.Event()
        self._write_wanted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._open = 0

    def add(self, lane: Lane, verdict: Verdict) -> None:
        """Take a verdict; on_recorded tells when it is safe."""
        self._open += 1
        self._empty.clear()
        entry = Entry(lane, verdict)
        if verdict.status is Status.DEAD:
            self._to_copy.append(entry)
            self._copy_wanted.set()
        else:
            self._guard.judged(verdict)
            self._to_write.append(entry)
            self._write_wanted.set()

    async def run_copies(self) -> None:
        """Copy dead events, then hand them on to be written; runs until cancelled.

        The storm guard decides about all that have gathered, before the first of them is copied.
        """
        while True:
            await self._copy_wanted.wait()
            self._copy_wanted.clear()
            while self._to_copy:
                entries = _take(self._to_copy, _COPY_LIMIT)
                verdicts = [entry.verdict for entry in entries]
                if not self._guard.admits(verdicts):
                    self._done(entries, Recorded(undecided=verdicts))
                    continue
                await self._persist("dead_letter_topic", partial(self._dead_letters.copy, verdicts))
                self._to_write.extend(entries)
                self._write_wanted.set()

    async def run_writes(self) -> None:
        """Write verdicts in the order in which they came; runs until cancelled."""
        while True:
            await self._write_wanted.wait()
            self._write_wanted.clear()
            while self._to_write:
                entries = _take(self._to_write, _WRITE_LIMIT)
                verdicts = [entry.verdict for entry in entries]
                recorded = await self._persist("ledger", partial(self._ledger.record, verdicts))
                self._done(entries, recorded)

    async def drain(self, *, within_seconds: float) -> bool:
        """Wait until everything is safe; False if that took too long (then it is decided again elsewhere)."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _done(self, entries: list[Entry], recorded: Recorded) -> None:
        self._open -= len(entries)
        if not self._open:
            self._empty.set()
        self._on_recorded(entries, recorded)

    async def _persist(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        tries = 0
        while True:
            try:
                result = await work()
            except (LedgerUnavailableError, DeadLettersUnavailableError) as error:
                wait = RETRY.wait_seconds(tries, self._rng)
                self._observer.waiting_for(what, error, wait_seconds=wait)
                tries += 1
                await asyncio.sleep(wait)
            else:
                if tries:
                    self._observer.back(what)
                return result


def _take(entries: deque[Entry], limit: int) -> list[Entry]:
    return [entries.popleft() for _ in range(min(limit, len(entries)))]
