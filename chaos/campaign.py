"""One campaign from start to end: system, load, faults as planned, rest, judgement, report."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos import disk
from chaos.disk import NotPossibleError
from chaos.faults import Faults
from chaos.findings import Evidence
from chaos.guardian import Guardian
from chaos.plan import Kind, Phase, Plan, Step
from chaos.recovery import Recovery
from chaos.report import Figures, Injected, Report, broker_outages, done
from chaos.settling import judge, rest
from chaos.shop_load import ShopLoad
from chaos.system import System
from devservices import throwaway

Say = Callable[[str], None]
_TIMES_AS_LONG = 2.0


class Campaign:
    """Injects the plan while orders flow; after twice the planned time it skips what is left of it."""

    def __init__(self, plan: Plan, *, per_second: float, directory: Path, say: Say) -> None:
        self._plan = plan
        self._per_second = per_second
        self._directory = directory
        self._say = say
        self._began = time.monotonic()
        self._injected: list[Injected] = []
        self._watching: set[asyncio.Task[None]] = set()

    async def run(self) -> Report:
        """Run it on servers of its own, which are gone afterwards.

        Raises:
            DevServicesError: a server or a process could not be started.
        """
        stack = throwaway.claim("chaos")
        disk.unmount_left_behind()
        with Guardian(stack.instance.name, os.getpid()):
            system = System(stack, self._directory / "logs", order_ttl_seconds=self._plan.order_ttl_seconds)
            try:
                return await self._run_on(system)
            finally:
                await system.stop()
                self._keep_server_logs(system)

    async def _run_on(self, system: System) -> Report:
        self._say("starting the servers and the processes")
        await system.start(self._plan.phases[0].kafka_session_ms)
        load = ShopLoad(
            lambda: system.fleet.urls("api"),
            jwt_secret=system.jwt_secret,
            per_second=self._per_second,
            seed=self._plan.seed,
        )
        faults = Faults(system)
        recovery = Recovery(load.record, lambda: system.platform_url)
        async with asyncio.TaskGroup() as background:
            watching = background.create_task(system.fleet.watch())
            shopping = background.create_task(load.run())
            await recovery.seconds()
            for phase in self._plan.phases:
                await self._phase(phase, system, faults, recovery)
            self._say("no more faults: everything is mended, the last shoppers finish")
            await system.mend()
            if self._watching:
                await asyncio.wait(self._watching)
            load.close()
            await shopping
            report = await self._judge(system, load, faults)
            watching.cancel()
        return report

    async def _judge(self, system: System, load: ShopLoad, faults: Faults) -> Report:
        began = time.monotonic()
        undone = await rest(system)
        settled = time.monotonic() - began
        self._say("at rest: the checker reads database, topics, inbox and receiver")
        evidence, told = await judge(system, load.record, faults.refused)
        told += [f"No order reached the platform after {each.step}." for each in self._never_recovered()]
        if undone:
            told.append(f"The pipeline did not come to rest: {undone}.")
        return self._report(system, load, evidence, told, settled)

    async def _phase(self, phase: Phase, system: System, faults: Faults, recovery: Recovery) -> None:
        self._say(phase.name)
        if phase.kafka_session_ms != system.kafka_session_ms:
            await asyncio.to_thread(system.kafka.stop)
            await system.start_kafka(phase.kafka_session_ms)
        async with asyncio.TaskGroup() as lanes:
            for lane in phase.lanes.values():
                lanes.create_task(self._lane(phase.name, lane, faults, recovery))

    async def _lane(self, phase: str, lane: Sequence[Step], faults: Faults, recovery: Recovery) -> None:
        for step in lane:
            late = self._elapsed() > self._plan.minutes * 60 * _TIMES_AS_LONG
            if not late:
                await asyncio.sleep(step.wait_seconds)
            injected = Injected(step=step, phase=phase, at=self._elapsed())
            self._injected.append(injected)
            if late:
                injected.not_run = "the time of the campaign was up"
                continue
            self._say(f"fault: {step}")
            try:
                await faults.inject(step)
            except NotPossibleError as error:
                injected.not_run = str(error)
                self._say(f"not run: {step.kind} {step.target}: {error}")
                continue
            injected.mended_at = self._elapsed()
            self._watch(injected, recovery)

    def _never_recovered(self) -> list[Injected]:
        return [each for each in self._injected if each.mended_at and each.recovered_seconds is None]

    def _watch(self, injected: Injected, recovery: Recovery) -> None:
        async def watch() -> None:
            injected.recovered_seconds = await recovery.seconds()

        task = asyncio.create_task(watch())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _report(
        self, system: System, load: ShopLoad, evidence: Evidence, told: list[str], settled: float
    ) -> Report:
        recoveries = [(each.recovered_seconds or 0.0, str(each.step)) for each in self._injected]
        longest, after = max(recoveries, default=(0.0, ""))
        arrived = len({event.event_id for event in evidence.arrivals})
        figures = Figures(
            seconds=self._elapsed(),
            orders=len(evidence.orders),
            events=len(evidence.outbox),
            arrivals=len(evidence.arrivals),
            repeats=len(evidence.arrivals) - arrived,
            dead_letters=sum(status == "dead" for status in evidence.inbox.values()),
            sigkills=dict(done(self._injected, Kind.KILL)),
            broker_outages=broker_outages(self._injected),
            database_restarts=done(self._injected, Kind.KILL)["postgres"],
            pauses=done(self._injected, Kind.PAUSE).total(),
            answers=dict(load.record.answers),
            starts=dict(system.fleet.starts),
            ended_by_themselves=dict(system.fleet.ended),
            longest_recovery_seconds=longest,
            longest_recovery_after=after,
            settled_seconds=settled,
        )
        return Report(plan=self._plan, injected=self._injected, figures=figures, violations=told)

    def _keep_server_logs(self, system: System) -> None:
        logs = self._directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for name in ("postgres", "kafka"):
            for path in (system.directory / name).glob("*.log"):
                shutil.copy(path, logs / f"{name}-{path.name}")

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 2)
