"""Delivery: what the ledger keeps goes by itself: parked events by time, held ones once the gap is filled."""

from collections.abc import Callable

from kits.process.background import PeriodicTask
from worker.delivery.epoch import Epoch
from worker.delivery.event import read_event
from worker.delivery.intake import Intake
from worker.delivery.lanes import Lane
from worker.delivery.ports import Ledger, LedgerUnavailableError

_INTERVAL_SECONDS = 5.0
_LIMIT = 500


class GapReleases:
    """Asks the ledger for events whose time or turn has come: when a gap was filled, and every few seconds.

    The interval finds what is due, what another worker filled, what a command left that was interrupted, and
    what a crash left behind.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        intake: Intake,
        epoch: Epoch,
        on_lanes: Callable[[list[Lane]], None],
    ) -> None:
        self._ledger = ledger
        self._intake = intake
        self._epoch = epoch
        self._on_lanes = on_lanes
        self._task = PeriodicTask(self._release, interval_seconds=_INTERVAL_SECONDS)

    def nudge(self) -> None:
        """A number that was missing has been delivered."""
        self._task.nudge()

    async def run(self) -> None:
        """Go on until cancelled."""
        await self._task.run()

    async def _release(self) -> bool:
        epoch = self._epoch.number
        partitions = self._intake.open_partitions
        if not partitions:
            return False
        try:
            kept = await self._ledger.resumable(partitions, limit=_LIMIT)
        except LedgerUnavailableError:
            return False
        if epoch != self._epoch.number or not self._epoch.is_live:
            return False
        touched: dict[Lane, None] = {}
        for each in kept:
            event = read_event(each.record, epoch=epoch, from_ledger=True)
            event.is_parked, event.attempts = each.is_parked, each.attempts
            event.first_failed_at = each.first_failed_at
            self._intake.push(event, touched, baseline=False)
        self._on_lanes(list(touched))
        return False
