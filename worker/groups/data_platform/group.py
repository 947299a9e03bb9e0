"""The group `data-platform`: from the topic into the inbox, and from there to the platform, in order."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from kits.kafka.producer import RecordProducer
from kits.observability.health import CheckResult, HealthCheck, Status
from kits.ordered_queue.queue import OrderedQueue
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask, Supervisor
from kits.process.waiting import wait_for
from kits.resilience.breaker import Breaker
from worker.groups.data_platform.client import DataPlatformClient
from worker.groups.data_platform.halt import Halt
from worker.groups.data_platform.sink import DataPlatformSink, DeadLetterLimit
from worker.groups.watched import WatchedGroup
from worker.inbox.group_state import GroupState
from worker.metrics import DeliveryMetrics

_READ_END_SECONDS = 5.0
_CALLS_END_SECONDS = 11.0
_PRODUCER_END_SECONDS = 2.0
_GAUGE_SECONDS = 1.0
_AGAIN_SECONDS = 1.0


class Task(Protocol):
    """Something that runs beside the queue until it is cancelled."""

    async def run(self) -> None: ...


class Round(Protocol):
    """Some work on the inbox that is looked for again and again."""

    async def look(self) -> bool:
        """Do what is there; whether there may be more. Raises what the database raises while it is away."""
        ...


class Gauges:
    """A Task that shows every second what stops everything: the dead-letter limit, and a wrong address."""

    def __init__(self, metrics: DeliveryMetrics, limit: DeadLetterLimit, halt: Halt) -> None:
        self._metrics = metrics
        self._limit = limit
        self._halt = halt
        self._task = PeriodicTask(self._show, interval_seconds=_GAUGE_SECONDS)

    async def run(self) -> None:
        """Show until cancelled."""
        await self._task.run()

    async def _show(self) -> None:
        self._metrics.limit_tripped.set(self._limit.is_tripped)
        self._metrics.halted.set(self._halt.is_unready)


class Rounds:
    """A Task that looks every few seconds; while the database is away, later."""

    def __init__(self, work: Round, *, every_seconds: float) -> None:
        self._work = work
        self._task = PeriodicTask(self._look, interval_seconds=every_seconds)

    async def run(self) -> None:
        """Look until cancelled."""
        await self._task.run()

    async def _look(self) -> bool:
        with outage_suppressed():
            return await self._work.look()
        return False


class Forerunner(Protocol):
    """What worked for the group before this build."""

    async def hand_over(self, stop: asyncio.Event) -> None:
        """Return when nothing of it works any more and its open events are the inbox's, or at `stop`."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What brings events from the inbox to the platform."""

    state: GroupState
    queue: OrderedQueue
    sink: DataPlatformSink
    client: DataPlatformClient
    breaker: Breaker
    halt: Halt


class DataPlatformGroup:
    """worker.runner.Group: reads into the inbox and delivers from it, once the former build has let go."""

    def __init__(
        self,
        *,
        name: str,
        reading: WatchedGroup,
        delivery: Delivery,
        producer: RecordProducer,
        forerunner: Forerunner,
        tasks: Mapping[str, Task],
        checks: Sequence[HealthCheck],
    ) -> None:
        """Args: tasks, checks: the inbox's own, beside those of reading and delivering."""
        self.name = name
        self._reading = reading
        self._delivery = delivery
        self._producer = producer
        self._forerunner = forerunner
        self._tasks = tasks
        self._checks = checks
        self._end = asyncio.Event()
        self._ended_reading = asyncio.Event()

    def checks(self) -> list[HealthCheck]:
        """What the probes ask."""
        platform = PlatformCheck(self._delivery.breaker, self._delivery.halt)
        return [*self._reading.checks(), platform, *self._checks]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then nothing more is read or claimed, and calls in flight get their time.

        Raises:
            MisconfiguredError: the platform refuses every call; stopped like that, nothing is lost or dead.
        """
        halting = asyncio.create_task(self._delivery.halt.run(), name="halt")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            async with AsyncExitStack() as opened:
                await opened.enter_async_context(self._delivery.client)
                await self._producer.start()
                opened.push_async_callback(self._producer.stop, within_seconds=_PRODUCER_END_SECONDS)
                await self._forerunner.hand_over(stop)
                await self._know_limit(stop)
                if not stop.is_set():
                    await self._work_until({halting, stopping})
        finally:
            stopping.cancel()
            halting.cancel()
        if halting.done() and not halting.cancelled():
            halting.result()

    async def _know_limit(self, stop: asyncio.Event) -> None:
        """Nothing is sent before it is known whether the dead-letter limit stands."""
        state = self._delivery.state
        await state.look()
        while not state.is_known and not await wait_for(stop, _AGAIN_SECONDS):
            await state.look()

    async def _work_until(self, ends: set[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
        tasks = Supervisor()
        for name, task in self._tasks.items():
            tasks.start(name, task.run)
        self._delivery.queue.start()
        tasks.start("receive", self._read)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._end.set()
            await wait_for(self._ended_reading, _READ_END_SECONDS)
            await self._delivery.queue.stop(within_seconds=_CALLS_END_SECONDS)
            await self._delivery.sink.stop()
            await tasks.stop()

    async def _read(self) -> None:
        await self._reading.run(self._end)
        self._ended_reading.set()


class PlatformCheck:
    """Whether the platform takes anything."""

    name = "data_platform"

    def __init__(self, breaker: Breaker, halt: Halt) -> None:
        self._breaker = breaker
        self._halt = halt

    async def check(self) -> CheckResult:
        """From memory."""
        if self._halt.is_unready:
            detail = f"It answers {self._halt.reason} to every call: check DATA_PLATFORM_URL and _TOKEN."
            return CheckResult(Status.UNREADY, detail)
        if not self._breaker.is_closed:
            return CheckResult(Status.DEGRADED, "No call succeeds: events wait, in their order.")
        return CheckResult(Status.OK)
