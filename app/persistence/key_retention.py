"""Persistence: forgets idempotency keys after a day, a little at a time."""

from app.persistence.idempotency import SqlIdempotencyKeys
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask, Supervisor

log = get_logger(__name__)

_BATCH = 1000
_INTERVAL_SECONDS = 600.0


class KeyRetention:
    """Deletes keys older than 24 hours in batches of 1,000, beside the shop's own work."""

    def __init__(self, keys: SqlIdempotencyKeys, supervisor: Supervisor) -> None:
        self._keys = keys
        self._supervisor = supervisor
        self._task = PeriodicTask(self.forget_once, interval_seconds=_INTERVAL_SECONDS)

    async def start(self) -> None:
        """Begin to clean up every ten minutes; returns at once."""
        self._supervisor.start("idempotency-key-retention", self._task.run)

    async def stop(self) -> None:
        """Stop cleaning up; a batch that is cut short is rolled back."""
        await self._supervisor.stop()

    async def forget_once(self) -> bool:
        """Delete one batch; True when there may be more."""
        forgotten = 0
        with outage_suppressed():
            forgotten = await self._keys.forget_old(limit=_BATCH)
        if forgotten:
            log.info("idempotency_keys_forgotten", rows=forgotten)
        return forgotten == _BATCH
