"""Ordered queue, end: deletes what was settled long ago, in small batches."""

from kits.ordered_queue.store import Store, StoreUnavailableError
from kits.process.background import PeriodicTask

_BATCH = 1000
_INTERVAL_SECONDS = 60.0


class Retention:
    """Any number of processes may run it side by side; each batch is a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task = PeriodicTask(self.delete_once, interval_seconds=_INTERVAL_SECONDS)

    async def run(self) -> None:
        """Delete until cancelled."""
        await self._task.run()

    async def delete_once(self) -> bool:
        """Delete one batch; True when there may be more."""
        try:
            return await self._store.delete_settled(limit=_BATCH) == _BATCH
        except StoreUnavailableError:
            return False
