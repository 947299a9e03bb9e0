"""Outbox: brings what no after-commit publish brought, oldest first, one event of an order at a time."""

from app.outbox.claim import Claim
from app.outbox.publisher import OutboxPublisher
from app.outbox.store import OutboxStore
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask

log = get_logger(__name__)

BATCH = 1000
_INTERVAL_SECONDS = 0.25


class OutboxRelay:
    """Claims heads for the publisher; any number of processes may run one side by side.

    No transaction is open while Kafka is talked to. While Kafka does not answer nothing is claimed, but for
    one row as a probe when nothing is pending that could tell of its return.
    """

    def __init__(self, store: OutboxStore, publisher: OutboxPublisher) -> None:
        self._store = store
        self._publisher = publisher
        self._task = PeriodicTask(self.relay_once, interval_seconds=_INTERVAL_SECONDS)
        publisher.on_progress(self._task.nudge)

    async def run(self) -> None:
        """Look for heads every 250 ms, and at once when rows were settled, until cancelled."""
        await self._task.run()

    async def relay_once(self) -> bool:
        """Claim and hand over one batch; True when there is more to claim at once."""
        limit = self._room()
        if limit == 0:
            return False
        claims: list[Claim] = []
        with outage_suppressed():
            claims = await self._store.claim_heads(limit)
        if claims:
            log.debug("outbox_relayed", rows=len(claims))
            self._publisher.publish(claims)
        return len(claims) == limit == BATCH

    def _room(self) -> int:
        if self._publisher.stalled:
            return 1 if self._publisher.idle else 0
        # Two batches at most: one with Kafka, one on its way.
        return min(BATCH, max(0, 2 * BATCH - self._publisher.held))
