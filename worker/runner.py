"""Runs the worker: databases first, then the groups; signals, drain, and an end within a bound."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from kits.observability.health import Health, HealthCheck, Status
from kits.observability.logs import get_logger
from kits.postgres.engine import EnginePools
from kits.process.background import Supervisor
from kits.process.garbage_collection import long_lived_objects_set_aside
from kits.process.signals import stop_on_signals
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from kits.web.probes import ProbeServer
from kits.web.server.listener import AddressError
from worker.handler import GroupHaltedError

log = get_logger(__name__)

OK = 0
FAILED = 1
HALTED = 3
_DATABASE_RETRY = Backoff(base_seconds=0.5, cap_seconds=3.0)
PROBES_SECONDS = 3.0
"""What the probes take to end, after the drain."""


class Group(Protocol):
    """One consumer group."""

    name: str

    def checks(self) -> list[HealthCheck]:
        """What the probes ask."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain and return. What it raises otherwise makes it begin anew.

        Raises:
            GroupHaltedError: going on makes no sense before somebody mends it.
        """
        ...


class StartCheck(HealthCheck, Protocol):
    """A database that must be usable before a group starts."""

    is_refused: bool
    """Whether waiting cannot mend what the last check found."""


class Runner:
    """The process's life. A signal drains it; a second one, or the time limit, ends it at once."""

    def __init__(
        self,
        *,
        groups: Sequence[Group],
        databases: Sequence[StartCheck],
        health: Health,
        probes: ProbeServer,
        pools: Sequence[EnginePools],
        database_wait_seconds: float,
        drain_seconds: float,
    ) -> None:
        self._groups = groups
        self._databases = databases
        self._health = health
        self._probes = probes
        self._pools = pools
        self._database_wait_seconds = database_wait_seconds
        self._drain_seconds = drain_seconds
        self._stop = asyncio.Event()
        self._code = OK

    async def run(self) -> int:
        """Run until a signal.

        Returns the exit code: 0 drained, 1 could not start or drain in time, 3 all calls are refused.
        """
        with stop_on_signals() as signals:
            passing_on = asyncio.create_task(self._pass_on(signals.asked), name="signals")
            end_probes = asyncio.Event()
            probes = asyncio.create_task(self._run_probes(end_probes), name="probes")
            try:
                working = asyncio.create_task(self._work(), name="groups")
                await asyncio.wait({probes, working}, return_when=asyncio.FIRST_COMPLETED)
                if probes.done():
                    self._ask_to_stop()
                code = await working
                return code if not probes.done() or probes.result() else FAILED
            finally:
                passing_on.cancel()
                end_probes.set()
                await asyncio.wait({probes}, timeout=PROBES_SECONDS)
                for pools in self._pools:
                    await pools.stop()

    async def _pass_on(self, asked: asyncio.Event) -> None:
        await asked.wait()
        self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        # Unready first: whoever looks while the groups drain sees it.
        self._health.drain()
        self._stop.set()

    async def _run_probes(self, end: asyncio.Event) -> bool:
        try:
            await self._probes.run(end)
        except AddressError as error:
            action = "set WORKER_HOST and WORKER_PORT to a free address"
            log.error("probes_not_served", error=str(error), action=action)  # noqa: TRY400 - one sentence is enough
            return False
        return True

    async def _work(self) -> int:
        for database in self._databases:
            if not await self._is_ready(database):
                return OK if self._stop.is_set() else FAILED
        return await self._consume()

    async def _is_ready(self, database: StartCheck) -> bool:
        """Ask until the database is ok, or refused, or the time is up, or somebody stops us."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._database_wait_seconds
        tries = 0
        while not self._stop.is_set():
            result = await database.check()
            # A table that somebody has locked makes it wait later, not now.
            if result.status is not Status.UNREADY:
                return True
            if loop.time() >= until or database.is_refused:
                action = "check WORKER_DATABASE_URL or DATABASE_URL, then start again"
                log.error("database_not_ready", reason=result.detail, tries=tries + 1, action=action)
                return False
            wait = max(0.1, _DATABASE_RETRY.wait_seconds(tries))
            action = "none if the database is coming up"
            log.warning(
                "database_awaited", reason=result.detail, again_in_seconds=round(wait, 2), action=action
            )
            tries += 1
            await wait_for(self._stop, min(wait, max(0.05, until - loop.time())))
        return False

    async def _consume(self) -> int:
        supervisor = Supervisor()
        done = {group.name: asyncio.Event() for group in self._groups}
        for group in self._groups:
            supervisor.start(f"group-{group.name}", partial(self._run_group, group, done[group.name]))
        log.info("worker_started", groups=sorted(done))
        with long_lived_objects_set_aside():
            await self._stop.wait()
        log.info("worker_draining", within_seconds=self._drain_seconds)
        try:
            async with asyncio.timeout(self._drain_seconds):
                for event in done.values():
                    await event.wait()
        except TimeoutError:
            action = "none: what was not written comes again"
            log.error("worker_drain_timed_out", within_seconds=self._drain_seconds, action=action)  # noqa: TRY400
            os._exit(FAILED)
        await supervisor.stop()
        log.info("worker_stopped")
        return self._code

    async def _run_group(self, group: Group, done: asyncio.Event) -> None:
        try:
            await group.run(self._stop)
        except GroupHaltedError as error:
            action = (
                "mend DATA_PLATFORM_URL or DATA_PLATFORM_TOKEN, then start again: nothing is lost or dead"
            )
            log.error("worker_halted", group=group.name, error=str(error), action=action)  # noqa: TRY400
            self._code = HALTED
            self._ask_to_stop()
        done.set()
