"""Ordered queue, writing: what became of the items, and their leases, from one task in turn."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice

from kits.observability.logs import get_logger
from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import FENCED, ResultCounts
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

    def __init__(self, store: Store, lease: Lease, clock: Clock, counts: ResultCounts) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._counts = counts
        self._held: dict[tuple[str, int], Claim] = {}
        self._done: dict[str, Settlement] = {}
        self._settled: list[Settlement] = []
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
        self._held[claim.item.id, claim.nth] = claim

    def result_of(self, item_id: str) -> Result | None:
        """How this item ended here, if it is done and the store does not know it yet."""
        known = self._done.get(item_id)
        return known.result if known else None

    def settle(self, settlement: Settlement) -> None:
        """Write this; done under a newer claim takes the place of one that was not written yet."""
        item_id = settlement.claim.item.id
        if settlement.result is None or settlement.result.kind is not Kind.DONE:
            self._settled.append(settlement)
        else:
            if older := self._done.get(item_id):
                self._held.pop((item_id, older.claim.nth), None)
            self._done[item_id] = settlement
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
            written = await self._write_all()
            await self._renew_when_due()
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
                await self._write_all()
        except (TimeoutError, StoreUnavailableError) as error:
            action = "none: their leases run out, and they are sent again"
            log.warning(
                "queue_results_not_written", reason=type(error).__name__, held=self.held, action=action
            )

    async def _write_all(self) -> int:
        if self._locked:
            self._locked = await self._store.locked(self._locked)
        relayed = 0
        while True:
            done, settled = self._free(self._done.values()), self._free(self._settled)
            if not done and not settled:
                return relayed
            try:
                relayed += await self._write(done, settled)
            except LockedError:
                if not await self._set_aside():
                    raise

    async def _write(self, done: Sequence[Settlement], settled: Sequence[Settlement]) -> int:
        relayed = 0
        if done:
            written = await self._store.mark_done(done)
            for settlement in done:
                if self._done.get(settlement.claim.item.id) is settlement:
                    del self._done[settlement.claim.item.id]
            relayed += self._written(done, written)
        if settled:
            written = await self._store.settle(settled)
            over = set(map(id, settled))
            self._settled = [each for each in self._settled if id(each) not in over]
            relayed += self._written(settled, written)
        return relayed

    def _free(self, settlements: Iterable[Settlement]) -> Sequence[Settlement]:
        free = (each for each in settlements if each.claim.item.id not in self._locked)
        return list(islice(free, _BATCH))

    async def _set_aside(self) -> bool:
        """Find the rows that other sessions hold: from now on the others are written around them."""
        self._locked = await self._store.locked({item_id for item_id, _ in self._held})
        if self._locked:
            action = "end the session that holds them: see state, xact_start and query in pg_stat_activity"
            log.warning("queue_rows_held_by_others", rows=len(self._locked), action=action)
        return bool(self._locked)

    def _written(self, settlements: Sequence[Settlement], written: int) -> int:
        for settlement in settlements:
            self._held.pop((settlement.claim.item.id, settlement.claim.nth), None)
        self._counts.count(FENCED, len(settlements) - written)
        return sum(settlement.claim.relayed for settlement in settlements)

    def _seconds_to_renewal(self) -> float:
        if self._locked:
            return _LOCKED_SECONDS
        if not self._held:
            return self._lease.renew_every
        return min(self._lease.renew_every, max(0.0, self._renew_at - self._clock.now()))

    async def _renew_when_due(self) -> None:
        now = self._clock.now()
        if not self._held or (now < self._renew_at and not self._outage):
            return
        claims = [claim for claim in self._held.values() if claim.item.id not in self._locked]
        for first in range(0, len(claims), _BATCH):
            asked_at = self._clock.now()
            some = claims[first : first + _BATCH]
            try:
                mine = await self._store.renew(some)
            except LockedError:
                if not await self._set_aside():
                    raise
                self._wake.set()
                return
            for claim in some:
                # What is no longer ours must not be sent again: its deadline stays where it was.
                if (claim.item.id, claim.nth) in mine:
                    claim.until = max(claim.until, self._lease.until(asked_at))
        self._renew_at = now + self._lease.renew_every

    def _outage_is_over(self) -> None:
        if self._outage:
            self._outage = False
            self._rest_until = self._clock.now() + self._lease.grace_seconds
