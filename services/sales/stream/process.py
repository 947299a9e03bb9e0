"""Stream: keeps the engine's process running, hears what it reports, and ends it within a bound."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from kits.observability.logs import get_logger
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from services.sales.metrics import StreamMetrics
from services.sales.stream.reports import EngineReport, read_report

log = get_logger(__name__)

STOP_SECONDS = 7.0
"""How long the engine may take to commit what is under way; killed, it loses nothing either."""
_CALM_SECONDS = 30.0
_AGAIN = Backoff(base_seconds=0.5, cap_seconds=10.0)
_ENGINE = ("-m", "services.sales.stream.engine")
_LINE_BYTES = 65_536


class EngineProcess:
    """One engine at a time; one that ends by itself is started again, with back-off."""

    def __init__(self, metrics: StreamMetrics, environment: Mapping[str, str]) -> None:
        """Args: environment: what it is told besides the environment of this process."""
        self._metrics = metrics
        self._environment = environment
        self.pid: int | None = None
        """The engine's process; None while there is none."""
        self.last_words = ""
        """How the last one ended, if it ended by itself."""

    async def run(self, stop: asyncio.Event) -> None:
        """Keep one running until `stop` is set; returns when it has ended, 8 s later at most."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not stop.is_set():
            began = loop.time()
            code = await self._live(stop)
            if stop.is_set():
                return
            failures = 0 if loop.time() - began > _CALM_SECONDS else failures + 1
            wait = _AGAIN.wait_seconds(failures)
            self.last_words = (
                f"The engine has ended by itself (exit code {code}): read its last words in the log."
            )
            log.warning(
                "stream_engine_ended", exit_code=code, again_in_seconds=round(wait, 2),
                action="none if Kafka comes back; else read its last words, above",
            )  # fmt: skip
            await wait_for(stop, wait)

    async def _live(self, stop: asyncio.Event) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", *_ENGINE,
            stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES, env={**os.environ, **self._environment},
            # A Ctrl-C at the terminal is for this process, which passes it on.
            start_new_session=True,
        )  # fmt: skip
        self.pid = process.pid
        self._metrics.starts.inc()
        hearing = asyncio.create_task(self._hear(process))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await self._end(process)
        finally:
            stopping.cancel()
            self.pid = None
            if process.returncode is None:
                process.kill()
            # Killed, it closes its end of the pipe.
            await hearing

    async def _end(self, process: Process) -> int:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await process.wait()
        except TimeoutError:
            action = "none: what was under way is done again by the next engine"
            log.warning("stream_engine_killed", after_seconds=STOP_SECONDS, action=action)
            process.kill()
            return await process.wait()

    async def _hear(self, process: Process) -> None:
        before = EngineReport()
        while process.stdout and (line := await process.stdout.readline()):
            try:
                now = read_report(line)
            except msgspec.DecodeError:
                log.warning("stream_report_not_read", line=repr(line[:200]), action="report a bug")
                continue
            self._add(now, before)
            before = now

    def _add(self, now: EngineReport, before: EngineReport) -> None:
        self._metrics.records.inc(now.records - before.records)
        self._metrics.left_out.inc(now.left_out - before.left_out)
        for code, count in now.dead_letters.items():
            self._metrics.dead_letters.labels(code).inc(count - before.dead_letters.get(code, 0))
