"""Outbox: keeps what this process has claimed, renews the leases, and writes Kafka's answers back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.metrics import AppMetrics
from app.outbox.claim import Claim, renew_every, send_until
from app.outbox.store import FailedSend, OutboxStore
from kits.kafka.records import Acknowledgement
from kits.observability.logs import get_logger
from kits.postgres.errors import LockTimeoutError
from kits.postgres.outages import outage_suppressed

log = get_logger(__name__)

_BATCH = 1000
_TICK_SECONDS = 0.25
_GATHER_SECONDS = 0.05
_OUTAGE_SECONDS = 0.5


class WriteBack:
    """One task per process does renewals and write-backs in turn, so that they never lock each other out.

    While the database is away answers are kept, and written when it is back. So is the answer of a row that
    another session holds: it stands aside, and the others are written. A row whose lease was lost is not
    written: another process has claimed it, and it may be published once more.
    """

    def __init__(self, store: OutboxStore, metrics: AppMetrics, *, lease_seconds: float) -> None:
        self._store = store
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._held: dict[str, Claim] = {}
        self._acknowledged: list[tuple[Claim, Acknowledgement]] = []
        self._failed: list[FailedSend] = []
        self._locked: set[str] = set()
        self._aside: list[tuple[Claim, Acknowledgement]] = []
        self._failed_aside: list[FailedSend] = []
        self._wake = asyncio.Event()
        self._renew_at = 0.0
        self._settled: Callable[[Sequence[Claim]], None] = lambda _claims: None

    @property
    def held(self) -> int:
        """Rows that are claimed and not settled yet."""
        return len(self._held)

    def on_settled(self, listener: Callable[[Sequence[Claim]], None]) -> None:
        """Call `listener` with the claims whose answers were written back."""
        self._settled = listener

    def hold(self, claim: Claim) -> None:
        """Keep this claim alive until its answer is written back."""
        self._held[claim.message.event_id] = claim

    def acknowledged(self, claim: Claim, ack: Acknowledgement) -> None:
        """Kafka has the event."""
        self._acknowledged.append((claim, ack))
        self._wake.set()

    def failed(self, failure: FailedSend) -> None:
        """Kafka does not have the event, or may have it."""
        self._failed.append(failure)
        self._wake.set()

    async def run(self) -> None:
        """Settle what has an answer, and renew every third of a lease or sooner, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                # Answers of other partitions and transactions follow within moments: one write for all.
                await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            await self.settle()

    async def settle(self) -> None:
        """Write all answers back and renew what is due; returns early while the database is away."""
        with outage_suppressed("outbox_write_back_waits"):
            await self._write_answers()
            if self._held and time.monotonic() >= self._renew_at:
                await self._around_locked(self._renew)
            return
        await asyncio.sleep(_OUTAGE_SECONDS)
        self._wake.set()

    async def flush(self, *, within_seconds: float) -> None:
        """Write the last answers; what can't be written in time is left to the end of its lease."""
        with outage_suppressed("outbox_write_back_given_up"):
            async with asyncio.timeout(within_seconds):
                await self._write_answers()
        if self._held:
            log.warning("outbox_rows_left_claimed", rows=len(self._held), action="none: their leases run out")

    async def _write_answers(self) -> None:
        if self._locked:
            await self._look_at_locked(self._locked)
        while self._acknowledged or self._failed:
            await self._around_locked(self._write)

    async def _around_locked(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except LockTimeoutError:
            await self._look_at_locked(self._held)
            if not self._locked:
                raise
            log.warning(
                "outbox_rows_held_by_others",
                rows=len(self._locked),
                action="end the session that holds them: see state, xact_start and query in pg_stat_activity",
            )

    async def _look_at_locked(self, event_ids: Iterable[str]) -> None:
        """Answers of rows that another session holds stand aside, those of the others are to be written."""
        self._locked = locked = await self._store.held_by_others(event_ids)
        answers, failures = self._aside + self._acknowledged, self._failed_aside + self._failed
        self._aside = [each for each in answers if each[0].message.event_id in locked]
        self._acknowledged = [each for each in answers if each[0].message.event_id not in locked]
        self._failed_aside = [each for each in failures if each.claim.message.event_id in locked]
        self._failed = [each for each in failures if each.claim.message.event_id not in locked]

    async def _write(self) -> None:
        if self._acknowledged:
            sent = self._acknowledged[:_BATCH]
            written = await self._store.mark_published(sent)
            del self._acknowledged[: len(sent)]
            self._metrics.events_published.inc(len(sent))
            self._release([claim for claim, _ in sent], written)
        if self._failed:
            failed = self._failed[:_BATCH]
            written = await self._store.mark_failed(failed)
            del self._failed[: len(failed)]
            self._metrics.events_failed.inc(len(failed))
            self._release([failure.claim for failure in failed], written)

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        self._renew_at = asked_at + renew_every(self._lease_seconds)
        claims = [claim for event_id, claim in self._held.items() if event_id not in self._locked]
        mine = await self._store.renew(claims)
        for claim in claims:
            # A row that is no longer ours must not be sent again: its deadline stays where it was.
            if claim.message.event_id in mine:
                claim.deadline.not_after = send_until(asked_at, self._lease_seconds)

    def _release(self, claims: Sequence[Claim], written: int) -> None:
        for claim in claims:
            if self._held.get(claim.message.event_id) is claim:
                del self._held[claim.message.event_id]
        self._metrics.events_fenced.inc(len(claims) - written)
        self._settled(claims)
