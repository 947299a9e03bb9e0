"""Delivery: redrive. An order's dead and held events go again, in order, through the delivery rules."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from worker.delivery.event import failure
from worker.delivery.failures import Answer, Outcome, code_of
from worker.delivery.ports import Clock, DeadLetters, Ledger, LedgerUnavailableError
from worker.delivery.recorder import RETRY
from worker.delivery.redrive_rules import Move, is_baseline, next_move
from worker.delivery.single_calls import SingleCalls
from worker.delivery.stuck import Head, Lease, StuckOrders
from worker.delivery.verdicts import Status, Verdict

T = TypeVar("T")
LEASE_LOST = "another command has taken it over"
INTERRUPTED = "interrupted; the same command again goes on here"
_TRIES = 5


class Redrive:
    """Sends what is open of one order, each event with its own id, and writes each result before the next.

    Whoever sends number n + 1 knows that n has arrived. So the order is kept whatever is interrupted, and
    whoever works on it at the same time: at most an event is repeated.
    """

    def __init__(
        self,
        *,
        stuck: StuckOrders,
        ledger: Ledger,
        dead_letters: DeadLetters,
        clock: Clock,
        calls: SingleCalls,
        on_delivered: Callable[[], None],
    ) -> None:
        self._stuck = stuck
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._clock = clock
        self._calls = calls
        self._on_delivered = on_delivered

    async def drive(self, lease: Lease) -> str:
        """Go on until nothing is open; returns "" then, else a sentence that says why something is left.

        Raises:
            PlatformAwayError: nothing was spent.
            LedgerUnavailableError, DeadLettersUnavailableError: the last event may be repeated.
        """
        while await self._calls.may_go():
            if not await self._stuck.renew(lease):
                return LEASE_LOST
            head = await self._stuck.head(lease.case)
            if head is None:
                return ""
            if reason := await self._step(head):
                return reason
        return INTERRUPTED

    async def _step(self, head: Head) -> str:
        event = head.event
        match next_move(head):
            case Move.UNREADABLE:
                return f"event {event.event_id} cannot be read: skip or discard it"
            case Move.MISSING:
                missing = f"{head.last_seq + 1} to {(event.seq or 0) - 1}"
                return f"numbers {missing} are missing: wait for them, or skip them"
            case Move.REPEAT:
                reason = failure("repeat", "repeat", "Its number was delivered before.")
                await self._record(Verdict(event, Status.SKIPPED, reason))
                return ""
            case Move.SEND:
                return await self._send(head)

    async def _send(self, head: Head) -> str:
        outcome, answer = await self._calls.send(head.event)
        if outcome is Outcome.BACK_PRESSURE:
            return ""
        if outcome is Outcome.REJECTED:
            return await self._refused(head, answer)
        if outcome is Outcome.FAILING_ALONE:
            return (
                f"event {head.event.event_id} failed ({code_of(answer)}): nothing was changed, try it later"
            )
        await self._record(Verdict(head.event, Status.DELIVERED, baseline=is_baseline(head)))
        self._on_delivered()
        return ""

    async def _refused(self, head: Head, answer: Answer) -> str:
        event = head.event
        event.failed(self._clock.now())
        event.attempts += 1
        verdict = Verdict(event, Status.DEAD, failure("rejected", code_of(answer), answer.reason))
        if not head.is_dead:
            # The dead-letter topic has one copy of every dead event; this one was only held so far.
            await self._dead_letters.copy([verdict])
        await self._record(verdict)
        return f"event {event.event_id} was refused again ({code_of(answer)}: {answer.reason})"

    async def _record(self, verdict: Verdict) -> None:
        await persistently(lambda: self._ledger.record([verdict]))


async def persistently(work: Callable[[], Awaitable[T]]) -> T:
    """Do what may be repeated up to five times while the ledger is away or busy.

    Raises:
        LedgerUnavailableError: it did not come back.
    """
    for tries in range(_TRIES - 1):
        try:
            return await work()
        except LedgerUnavailableError:
            await asyncio.sleep(RETRY.wait_seconds(tries + 1))
    return await work()
