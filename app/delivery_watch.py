"""Delivery watch: one process of the service shows where the delivering group stands, worker or no worker."""

from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_watch import GroupWatch
from kits.postgres.session_lock import SessionLock
from kits.process.background import PeriodicTask, Supervisor

_INTERVAL_SECONDS = 5.0


class DeliveryWatch:
    """Measures every five seconds, in the one process that has the lock; in the others it shows nothing."""

    def __init__(
        self, lock: SessionLock, watch: GroupWatch, metrics: GroupMetrics, supervisor: Supervisor
    ) -> None:
        self._lock = lock
        self._watch = watch
        self._metrics = metrics
        self._supervisor = supervisor
        self._task = PeriodicTask(self.look, interval_seconds=_INTERVAL_SECONDS)

    async def start(self) -> None:
        """Begin; returns at once, whether Kafka is there or not."""
        self._supervisor.start("delivery-watch", self._task.run)

    async def stop(self) -> None:
        """End, and leave the watch to another process."""
        await self._supervisor.stop()
        await self._lock.give_back()

    async def look(self) -> None:
        """Measure once if it is this process's turn; what cannot be measured is not shown."""
        if await self._lock.is_ours():
            await self._watch.look(self._metrics)
        else:
            self._watch.forget(self._metrics)
