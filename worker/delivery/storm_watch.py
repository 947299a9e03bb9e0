"""Delivery: keeps the storm guard and the ledger's row of the storm together, for the whole group."""

from collections.abc import Callable

from kits.process.background import PeriodicTask
from worker.delivery.ports import LedgerUnavailableError, Observer, Storms
from worker.delivery.storm_guard import StormGuard

_INTERVAL_SECONDS = 5.0


class StormWatch:
    """Asks at the start and every few seconds; what was tripped here is written at once.

    The group's other workers stop, and all go on after a release, within the interval.
    """

    def __init__(
        self, *, storms: Storms, guard: StormGuard, observer: Observer, on_release: Callable[[], None]
    ) -> None:
        self._storms = storms
        self._guard = guard
        self._observer = observer
        self._on_release = on_release
        self._task = PeriodicTask(self._look, interval_seconds=_INTERVAL_SECONDS)

    def nudge(self) -> None:
        """There is something to write."""
        self._task.nudge()

    async def run(self) -> None:
        """Go on until cancelled."""
        await self._task.run()

    async def _look(self) -> bool:
        guard = self._guard
        stood = guard.trip is not None
        try:
            if unsaved := frozenset(guard.unsaved):
                await self._storms.trip(unsaved)
                guard.saved(unsaved)
            trip = await self._storms.last()
        except LedgerUnavailableError:
            return False
        released = guard.follow(trip)
        if guard.trip is not None and not stood:
            self._observer.storm_tripped(guard.trip.tripped_at)
        if released:
            if stood:
                self._observer.storm_released()
            self._on_release()
        return False
