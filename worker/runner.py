"""Runs the worker: database first, then the consumers; signals, drain, and an end within a bound."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from kits.kafka.producer import RecordProducer
from kits.observability.health import Health, HealthCheck, Status
from kits.observability.logs import get_logger
from kits.process.background import Supervisor
from kits.process.garbage_collection import long_lived_objects_set_aside
from kits.resilience.retry import Backoff
from kits.web.server.listener import AddressError
from worker.data_platform_client import HttpDataPlatformClient
from worker.delivery.halt import MisconfiguredError

log = get_logger(__name__)

OK = 0
FAILED = 1
HALTED = 3
_DATABASE_RETRY = Backoff(base_seconds=0.5, cap_seconds=3.0)
_END_SECONDS = 10.0
PRODUCER_SECONDS = 3.0


class Consumer(Protocol):
    """One consumer group."""

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then drain and return.

        Raises:
            ExceptionGroup: with a MisconfiguredError when going on makes no sense before somebody mends it.
        """
        ...


class StartCheck(HealthCheck, Protocol):
    """What must be ok before the consumers start."""

    is_refused: bool
    """Whether waiting cannot mend what the last check found."""


class Runner:
    """The process's life. SIGTERM and SIGINT drain it; a second one, or the time limit, ends it at once."""

    def __init__(
        self,
        *,
        consumers: Mapping[str, Consumer],
        ledger_check: StartCheck,
        health: Health,
        serve_probes: Callable[[asyncio.Event], Awaitable[None]],
        client: HttpDataPlatformClient,
        producer: RecordProducer,
        dispose: Callable[[], Awaitable[None]],
        database_wait_seconds: float,
        drain_seconds: float,
    ) -> None:
        self._consumers = consumers
        self._ledger_check = ledger_check
        self._health = health
        self._serve_probes = serve_probes
        self._client = client
        self._producer = producer
        self._dispose = dispose
        self._database_wait_seconds = database_wait_seconds
        self._drain_seconds = drain_seconds
        self._stop = asyncio.Event()
        self._probes_stop = asyncio.Event()
        self._code = OK

    async def run(self) -> int:
        """Run until a signal.

        Returns the exit code: 0 drained, 1 could not start or drain in time, 3 all calls are refused.
        """
        self._watch_signals()
        probes = asyncio.create_task(self._run_probes(), name="probes")
        try:
            working = asyncio.create_task(self._work(), name="consumers")
            await asyncio.wait({probes, working}, return_when=asyncio.FIRST_COMPLETED)
            if probes.done():
                self._ask_to_stop()
            code = await working
            return code if not probes.done() or probes.result() else FAILED
        finally:
            self._probes_stop.set()
            await asyncio.wait({probes}, timeout=_END_SECONDS)
            await self._dispose()

    async def _run_probes(self) -> bool:
        try:
            await self._serve_probes(self._probes_stop)
        except AddressError as error:
            action = "set WORKER_HOST and WORKER_PORT to a free address"
            log.error("probes_not_served", error=str(error), action=action)  # noqa: TRY400 - one sentence is enough
            return False
        return True

    async def _work(self) -> int:
        if not await self._database_is_ready():
            return OK if self._stop.is_set() else FAILED
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._client)
            await self._producer.start()
            opened.push_async_callback(self._producer.stop, within_seconds=PRODUCER_SECONDS)
            return await self._consume()

    async def _database_is_ready(self) -> bool:
        """Ask until the ledger is ok, or refused, or the time is up, or somebody stops us."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._database_wait_seconds
        tries = 0
        while not self._stop.is_set():
            result = await self._ledger_check.check()
            if result.status is Status.OK:
                return True
            if loop.time() >= until or self._ledger_check.is_refused:
                action = "check WORKER_DATABASE_URL or DATABASE_URL, then start again"
                log.error("ledger_not_ready", reason=result.detail, tries=tries + 1, action=action)
                return False
            wait = max(0.1, _DATABASE_RETRY.wait_seconds(tries))
            action = "none if the database is coming up"
            log.warning(
                "ledger_awaited", reason=result.detail, again_in_seconds=round(wait, 2), action=action
            )
            tries += 1
            await self._stopped_within(min(wait, max(0.05, until - loop.time())))
        return False

    async def _consume(self) -> int:
        supervisor = Supervisor()
        done = {name: asyncio.Event() for name in self._consumers}
        for name, consumer in self._consumers.items():
            supervisor.start(f"consumer-{name}", self._until_stopped(consumer, done[name]))
        log.info("worker_started", groups=sorted(self._consumers))
        with long_lived_objects_set_aside():
            await self._stop.wait()
        log.info("worker_draining", within_seconds=self._drain_seconds)
        try:
            async with asyncio.timeout(self._drain_seconds):
                for event in done.values():
                    await event.wait()
        except TimeoutError:
            action = "none: what was not committed comes again"
            log.error("worker_drain_timed_out", within_seconds=self._drain_seconds, action=action)  # noqa: TRY400
            os._exit(FAILED)
        await supervisor.stop()
        log.info("worker_stopped")
        return self._code

    def _until_stopped(self, consumer: Consumer, done: asyncio.Event) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await consumer.run(self._stop)
            except* MisconfiguredError as errors:
                self._halt(errors.exceptions[0])
            done.set()

        return run

    def _halt(self, error: BaseException) -> None:
        action = "mend DATA_PLATFORM_URL or DATA_PLATFORM_TOKEN, then start again: nothing is lost or dead"
        log.error("worker_halted", error=str(error), action=action)
        self._code = HALTED
        self._ask_to_stop()

    async def _stopped_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            # Whoever asks twice does not want to wait; nothing is lost by it.
            os._exit(128 + number)
        log.info("signal_received", signal=signal.Signals(number).name)
        self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        # Unready first: whoever looks while the consumers drain sees it.
        self._health.drain()
        self._stop.set()
