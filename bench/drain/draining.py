"""One drain: the whole topic through a real worker, from its first call to its last written result."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from bench.drain.platform import Counts
from bench.drain.processes import StandIn, Worker, stand_in, worker
from bench.drain.results import Case, Drain, Memory
from bench.drain.topic import group_lag, rewind_group
from devservices.errors import ServerStartError
from devservices.instance import ROOT

_LOOK_SECONDS = 0.05
_WRITTEN_LOOK_SECONDS = 0.01
_WRITTEN_SECONDS = 30.0
_START_SECONDS = 30.0
_SLOWEST_PER_SECOND = 500
# Tables and results of both kinds of worker: with the inbox, and with the ledger that came before it.
_EMPTY = """\
TRUNCATE delivery.inbox_event, delivery.inbox_partition, delivery.inbox_group,
         delivery.delivery, delivery.delivery_order, delivery.delivery_partition"""
_WRITTEN = """\
SELECT (SELECT count(*) FROM delivery.inbox_event WHERE delivered_at IS NOT NULL)
       + (SELECT coalesce(sum(last_seq), 0) FROM delivery.delivery_order)"""


class Draining:
    """Drains the topic again and again, each time as if for the first time."""

    def __init__(
        self, *, environment: Mapping[str, str], database_url: str, bootstrap_servers: str, directory: Path
    ) -> None:
        self._environment = environment
        self._database_url = database_url
        self._bootstrap_servers = bootstrap_servers
        self._directory = directory

    async def drain(self, case: Case, events: int, *, checkout: Path = ROOT) -> Drain:
        """One drain by the worker of this checkout.

        Raises:
            ServerStartError: it ended, or did not come to an end.
        """
        drained, _ = await self._drain(case, events, checkout=checkout, early_events=0)
        return drained

    async def memory(self, case: Case, events: int, *, early_events: int) -> tuple[Drain, Memory]:
        """One drain, and how high the worker's memory went."""
        return await self._drain(case, events, checkout=ROOT, early_events=early_events)

    async def _drain(
        self, case: Case, events: int, *, checkout: Path, early_events: int
    ) -> tuple[Drain, Memory]:
        await rewind_group(self._bootstrap_servers)
        connection = await asyncpg.connect(self._database_url, timeout=10)
        try:
            await connection.execute(_EMPTY)
            async with stand_in(case.latency_ms, log_path=self._directory / "platform.log") as platform:
                log_path = self._directory / "worker.log"
                async with worker(
                    case, platform, checkout=checkout, environment=self._environment, log_path=log_path
                ) as draining:
                    watch = _Watch(platform, draining, early_events)
                    await watch.until(events)
                    cpu_seconds = watch.cpu_seconds()
                    complete_at = await _written(connection, events)
                counts = await platform.counts()
        finally:
            await connection.close(timeout=10)
        seconds = complete_at - counts.first_at
        drained = Drain(
            events=events,
            seconds=seconds,
            written_seconds=max(0.0, complete_at - counts.last_at),
            worker_cpu_us=cpu_seconds / events * 1e6,
            platform_cores=watch.platform_cpu_seconds(counts) / seconds,
            calls=counts.calls,
            repeats=counts.repeats,
            violations=counts.violations,
            uncommitted=await group_lag(self._bootstrap_servers),
        )
        return drained, watch.memory(events)


class _Watch:
    """Looks at a drain while it goes on."""

    def __init__(self, platform: StandIn, draining: Worker, early_events: int) -> None:
        self._platform = platform
        self._worker = draining
        self._early_events = early_events
        self._early_peak_mib = 0.0
        self._peak_mib = 0.0
        self._cpu_before = 0.0
        self._platform_cpu_before = 0.0

    async def until(self, events: int) -> None:
        """Return when the platform has had all events."""
        began = time.monotonic()
        give_up_at = began + _START_SECONDS + events / _SLOWEST_PER_SECOND
        counts = Counts()
        while counts.events < events:
            self._worker.require_alive()
            if time.monotonic() > give_up_at:
                raise ServerStartError(f"Only {counts.events} of {events} events have arrived in time.")
            await asyncio.sleep(_LOOK_SECONDS)
            counts = await self._platform.counts()
            self._note(counts)

    def cpu_seconds(self) -> float:
        """The worker's processor time since its first call."""
        return self._worker.cpu_seconds() - self._cpu_before

    def platform_cpu_seconds(self, counts: Counts) -> float:
        """The stand-in's processor time since the first call."""
        return counts.cpu_seconds - self._platform_cpu_before

    def memory(self, events: int) -> Memory:
        """The peaks that were seen."""
        return Memory(
            events=events,
            early_events=self._early_events,
            early_peak_mib=self._early_peak_mib,
            peak_mib=self._peak_mib,
        )

    def _note(self, counts: Counts) -> None:
        if not counts.events:
            self._cpu_before = self._worker.cpu_seconds()
            self._platform_cpu_before = counts.cpu_seconds
        self._peak_mib = max(self._peak_mib, self._worker.memory_mib())
        if counts.events <= self._early_events:
            self._early_peak_mib = self._peak_mib


async def _written(connection: asyncpg.Connection, events: int) -> float:
    """Wait until every result is written; returns when that was, on the monotonic clock."""
    give_up_at = time.monotonic() + _WRITTEN_SECONDS
    while await connection.fetchval(_WRITTEN) < events:
        if time.monotonic() > give_up_at:
            raise ServerStartError(
                f"Not every result was written {_WRITTEN_SECONDS:.0f} s after the last call."
            )
        await asyncio.sleep(_WRITTEN_LOOK_SECONDS)
    return time.monotonic()
