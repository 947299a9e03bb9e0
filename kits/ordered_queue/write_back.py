"""Ordered queue, writing: what became of the items, and their leases, from one task in turn."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import FENCED, QueueCounts
from kits.ordered_queue.ports import LockedError, Store, StoreUnavailableError
from kits.resilience.clock import Clock

log = get_logger(__name__)

_BATCH = 1000
_GATHER_SECONDS = 0.05
_OUTAGE_SECONDS = 0.5
_LOCKED_SECONDS = 0.5


class WriteBack:
    """One task does results and renewals in turn, in bulk, so that they never lock each other out.

    While the store is away results are kept (their number is bounded by what the lanes hold) and written when
    it is back. What another process has claimed meanwhile is not written: it is sent once more, in order. A
    row that another session has locked keeps its own result waiting, and no other's.
    """

    def __init__(self, store: Store, lease: Lease, clock: Clock, counts: QueueCounts) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._counts = counts
        self._held: set[Claim] = set()
        self._ends: dict[Claim, Settlement] = {}
        self._done: dict[str, Settlement] = {}
        self._locked: set[str] = set()
        self._wake = asyncio.Event()
        self._renew_at = 0.0
        self._outage = False
        self._rest_until = 0.0

    @property
    def held(self) -> int:
        """Items that are claimed and not written yet."""
        return len(self._held)

    @property
    def may_take_over(self) -> bool:
        """Whether items of others may be claimed: after an outage everybody first writes and renews."""
        return not self._outage and self._clock.now() >= self._rest_until

    def hold(self, claim: Claim) -> None:
        """Keep this claim alive until it is written."""
        self._held.add(claim)

    def result_of(self, item_id: str) -> Result | None:
        """How this item ended here, if it is done and the store does not know it yet."""
        known = self._done.get(item_id)
        return known.result if known else None

    def settle(self, settlement: Settlement) -> None:
        """Write this; done under a newer claim takes the place of one that was not written yet."""
        claim = settlement.claim
        self._ends[claim] = settlement
        if settlement.result is not None and settlement.result.kind is Kind.DONE:
            if older := self._done.get(claim.item.id):
                self._forget(older)
            self._done[claim.item.id] = settlement
        self._wake.set()

    def note_outage(self) -> None:
        """The store did not answer, here or elsewhere in this process."""
        self._outage = True

    async def rounds(self) -> int:
        """Wait until there is something to write or to renew, and do it; how many relayed items were written.

        Returns early while the store is away.
        """
        try:
            async with asyncio.timeout(self._seconds_to_renewal()):
                await self._wake.wait()
        except TimeoutError:
            pass
        else:
            # Results of other calls follow within moments: one write for all.
            await asyncio.sleep(_GATHER_SECONDS)
        self._wake.clear()
        try:
            written = await self._around_locks(self._write_all)
            await self._around_locks(self._renew_when_due)
        except StoreUnavailableError as error:
            self.note_outage()
            log.warning("queue_write_back_waits", reason=str(error), held=self.held, action="see /readyz")
            await asyncio.sleep(_OUTAGE_SECONDS)
            self._wake.set()
            return 0
        self._outage_is_over()
        return written

    async def flush(self, *, within_seconds: float) -> None:
        """Write the last results; what can't be written in time is left to the end of its lease."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._around_locks(self._write_all)
        except (TimeoutError, StoreUnavailableError) as error:
            action = "none: their leases run out, and they are sent again"
            log.warning(
                "queue_results_not_written", reason=type(error).__name__, held=self.held, action=action
            )

    async def _around_locks(self, work: Callable[[], Awaitable[int]]) -> int:
        while True:
            try:
                return await work()
            except LockedError:
                if not await self._set_aside():
                    raise

    async def _write_all(self) -> int:
        if self._locked:
            self._locked = await self._store.locked(self._locked)
        relayed = 0
        while batch := self._batch():
            ours = await self._store.settle(batch)
            self._counts.count(FENCED, len(batch) - ours)
            for settlement in batch:
                self._forget(settlement)
                relayed += settlement.claim.relayed
        return relayed

    def _batch(self) -> list[Settlement]:
        free = (end for claim, end in self._ends.items() if claim.item.id not in self._locked)
        return list(islice(free, _BATCH))

    def _forget(self, settlement: Settlement) -> None:
        claim = settlement.claim
        self._ends.pop(claim, None)
        self._held.discard(claim)
        if self._done.get(claim.item.id) is settlement:
            del self._done[claim.item.id]

    async def _set_aside(self) -> bool:
        """Find the rows that other sessions hold: from now on the others are written around them."""
        self._locked = await self._store.locked({claim.item.id for claim in self._held})
        if self._locked:
            action = "end the session that holds them: see state, xact_start and query in pg_stat_activity"
            log.warning("queue_rows_held_by_others", rows=len(self._locked), action=action)
        return bool(self._locked)

    def _seconds_to_renewal(self) -> float:
        if self._locked:
            return _LOCKED_SECONDS
        if not self._held:
            return self._lease.renew_every
        return min(self._lease.renew_every, max(0.0, self._renew_at - self._clock.now()))

    async def _renew_when_due(self) -> int:
        now = self._clock.now()
        if not self._held or (now < self._renew_at and not self._outage):
            return 0
        claims = [claim for claim in self._held if claim.item.id not in self._locked]
        for first in range(0, len(claims), _BATCH):
            asked_at, some = self._clock.now(), claims[first : first + _BATCH]
            mine = await self._store.renew(some)
            for claim in some:
                # What is no longer ours must not be sent again: its deadline stays where it was.
                if (claim.item.id, claim.nth) in mine:
                    claim.until = max(claim.until, self._lease.until(asked_at))
        self._renew_at = now + self._lease.renew_every
        return len(claims)

    def _outage_is_over(self) -> None:
        if self._outage:
            self._outage = False
            self._rest_until = self._clock.now() + self._lease.grace_seconds
