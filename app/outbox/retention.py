"""Outbox: deletes what was published long ago, a little at a time."""

from app.outbox.store import OutboxStore
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask

log = get_logger(__name__)

_BATCH = 1000
_INTERVAL_SECONDS = 600.0


class OutboxRetention:
    """Keeps published rows for `days`, then deletes them in batches of 1,000, beside the shop's own work."""

    def __init__(self, store: OutboxStore, *, days: int) -> None:
        self._store = store
        self._days = days
        self._task = PeriodicTask(self.delete_once, interval_seconds=_INTERVAL_SECONDS)

    async def run(self) -> None:
        """Clean up every ten minutes until cancelled."""
        await self._task.run()

    async def delete_once(self) -> bool:
        """Delete one batch; True when there may be more."""
        deleted = 0
        with outage_suppressed():
            deleted = await self._store.delete_published(older_than_days=self._days, limit=_BATCH)
        if deleted:
            log.info("outbox_cleaned", rows=deleted, older_than_days=self._days)
        return deleted == _BATCH
