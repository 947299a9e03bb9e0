"""Ordered queue, metrics: reads what is not done, so that an operator sees it."""

import time

from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.ports import Store, StoreUnavailableError
from kits.process.background import PeriodicTask
from kits.resilience.breaker import Breaker, BreakerState

_INTERVAL_SECONDS = 5.0
_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class QueueMeter:
    """Measures one queue every five seconds; while its store is away the numbers keep their last value."""

    def __init__(self, store: Store, metrics: QueueMetrics, queue: str, breaker: Breaker) -> None:
        self._store = store
        self._metrics = metrics
        self._queue = queue
        self._breaker = breaker
        self._task = PeriodicTask(self.measure, interval_seconds=_INTERVAL_SECONDS)

    async def run(self) -> None:
        """Measure until cancelled."""
        await self._task.run()

    async def measure(self) -> None:
        """Set the gauges once."""
        self._metrics.breaker.labels(self._queue).set(_STATES[self._breaker.state])
        try:
            backlog = await self._store.backlog()
        except StoreUnavailableError:
            return
        self._metrics.waiting.labels(self._queue).set(backlog.waiting)
        self._metrics.dead.labels(self._queue).set(backlog.dead)
        self._metrics.gaps.labels(self._queue).set(backlog.gaps)
        self._metrics.blocked_keys.labels(self._queue).set(backlog.blocked_keys)
        self._metrics.oldest.labels(self._queue).set(backlog.oldest_seconds)
        self._metrics.measured.labels(self._queue).set(time.time())
