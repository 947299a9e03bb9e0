"""The delivery loop: poll -> lanes -> calls -> ledger -> commit, for one membership of the group."""

import asyncio
import random
from dataclasses import dataclass, field

from worker.delivery.calls import CallLimits
from worker.delivery.commits import Commits
from worker.delivery.driver import LaneDriver
from worker.delivery.epoch import Epoch
from worker.delivery.event import Event
from worker.delivery.gaps import GapReleases
from worker.delivery.intake import Intake, IntakeLimits
from worker.delivery.lanes import Lanes
from worker.delivery.offsets import OffsetTracker
from worker.delivery.openings import Openings
from worker.delivery.ports import (
    Clock,
    DeadLetters,
    Ledger,
    Observer,
    Partitions,
    Platform,
    Source,
    Storms,
)
from worker.delivery.storm_guard import StormGuard
from worker.delivery.storm_watch import StormWatch


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the loop, in one place. Times in seconds.

    The three ends together stay below the rebalance timeout (60 s) and the time that SIGTERM gives (28 s).
    """

    calls: CallLimits = field(default_factory=CallLimits)
    intake: IntakeLimits = field(default_factory=IntakeLimits)
    gap_wait_seconds: float = 30.0
    halt_seconds: float = 60.0
    calls_end_seconds: float = 11.0
    ledger_end_seconds: float = 8.0
    commit_end_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the loop works with, see ports."""

    source: Source
    ledger: Ledger
    storms: Storms
    platform: Platform
    dead_letters: DeadLetters
    clock: Clock
    observer: Observer


class DeliveryLoop:
    """Delivers the events of the assigned partitions, each order in its order.

    It is the group member's AssignmentListener. The client revokes everything at every rebalance, so an
    epoch ends as a whole: release() drains it, and the next one begins with empty lanes and asks the ledger.
    """

    def __init__(self, given: Collaborators, *, limits: Limits, rng: random.Random | None = None) -> None:
        rng = rng or random.Random()  # noqa: S311 - jitter
        source, ledger, observer = given.source, given.ledger, given.observer
        self._limits = limits
        self._lanes = Lanes()
        self._ending = asyncio.Lock()
        self.epoch = Epoch()
        self.tracker = OffsetTracker()
        self.guard = StormGuard(on_trip=self._tripped)
        self._commits = Commits(source=source, tracker=self.tracker, observer=observer)
        self.driver = LaneDriver(
            lanes=self._lanes,
            epoch=self.epoch,
            guard=self.guard,
            platform=given.platform,
            ledger=ledger,
            dead_letters=given.dead_letters,
            clock=given.clock,
            observer=observer,
            limits=limits.calls,
            halt_seconds=limits.halt_seconds,
            gap_wait_seconds=limits.gap_wait_seconds,
            rng=rng,
            on_finished=self._finished,
            on_gap_filled=self._gap_filled,
        )
        self.intake = Intake(
            source=source,
            ledger=ledger,
            openings=Openings(source=source, ledger=ledger, observer=observer),
            lanes=self._lanes,
            epoch=self.epoch,
            tracker=self.tracker,
            observer=observer,
            limits=limits.intake,
            rng=rng,
            must_wait=self._must_wait,
            on_lanes=self.driver.advance_all,
            on_finished=self._finished,
        )
        self._gaps = GapReleases(
            ledger=ledger, intake=self.intake, epoch=self.epoch, on_lanes=self.driver.advance_all
        )

        self._storms = StormWatch(
            storms=given.storms, guard=self.guard, observer=observer, on_release=self.driver.go_on
        )

    async def run(self) -> None:
        """Work until cancelled, then drain as release() does.

        Raises:
            ExceptionGroup: of what ended one of the parts; the records come again after the last commit. It
                is a MisconfiguredError when the platform has refused every call for a minute.
        """
        recorder, halt = self.driver.recorder, self.driver.calls.halt
        helping = (recorder.run_copies, recorder.run_writes, self._commits.run, self._gaps.run,
                   self._storms.run, halt.run)  # fmt: skip
        async with asyncio.TaskGroup() as parts:
            tasks = [parts.create_task(run()) for run in helping]
            try:
                await self.intake.run()
            finally:
                await self.release()
                for task in tasks:
                    task.cancel()

    async def on_assigned(self, epoch: int, partitions: Partitions) -> None:
        """The group has given us partitions, perhaps none."""
        self.epoch.number = epoch
        self.epoch.is_live = True
        self.intake.assign(partitions)

    async def on_revoked(self, partitions: Partitions) -> None:  # noqa: ARG002 - always all of them
        """The group takes all partitions away."""
        await self.release()

    async def release(self) -> None:
        """End the epoch: begin no call, wait for those in flight, write the ledger, commit; each bounded."""
        async with self._ending:
            self.epoch.is_live = False
            self.intake.close()
            self.driver.calls.drop_queued()
            await self.driver.calls.finish(within_seconds=self._limits.calls_end_seconds)
            await self.driver.recorder.drain(within_seconds=self._limits.ledger_end_seconds)
            await self._commits.now(self.epoch.number, within_seconds=self._limits.commit_end_seconds)
            self.driver.close()
            self._lanes.close()
            self.tracker.close()

    def _gap_filled(self) -> None:
        self._gaps.nudge()

    def _tripped(self) -> None:
        self._storms.nudge()

    def _must_wait(self) -> bool:
        return not self.guard.is_open or self.driver.calls.is_saturated

    def _finished(self, event: Event) -> None:
        if not event.from_ledger and event.epoch == self.epoch.number:
            self.tracker.finished(event.record)
            self._commits.nudge(event.epoch)
