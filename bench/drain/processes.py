"""The processes of a drain: the platform's stand-in, the worker, the floors."""

import asyncio
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]

from bench.drain.platform import COUNTS, Counts
from bench.drain.results import Case
from devservices.errors import ServerStartError
from devservices.instance import ROOT
from devservices.ports import LOOPBACK, choose_free
from devservices.processes import ManagedProcess, spawn

_START_SECONDS = 20.0
_STOP_SECONDS = 35.0
_FLOOR_SECONDS = 120.0
_LOOK_SECONDS = 0.02
_MIB = 2**20
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StandIn:
    """A running data platform."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"

    async def counts(self) -> Counts:
        """What it has received so far."""
        return await asyncio.to_thread(self._counts)

    def _counts(self) -> Counts:
        with _OPENER.open(self.url + COUNTS, timeout=10.0) as answer:
            return msgspec.json.decode(answer.read(), type=Counts)


@asynccontextmanager
async def stand_in(latency_ms: float, *, log_path: Path) -> AsyncIterator[StandIn]:
    """A new one, with nothing counted yet."""
    (port,) = choose_free()
    command = [sys.executable, "-m", "bench.drain.platform", str(port), str(latency_ms)]
    process = spawn("platform", command, log_path=log_path, cwd=ROOT)
    try:
        platform = StandIn(port)
        await _answers(platform, process)
        yield platform
    finally:
        process.kill()


async def _answers(platform: StandIn, process: ManagedProcess) -> None:
    give_up_at = asyncio.get_running_loop().time() + _START_SECONDS
    while True:
        try:
            await platform.counts()
        except OSError:
            if not process.alive or asyncio.get_running_loop().time() > give_up_at:
                raise ServerStartError(
                    f"The platform's stand-in did not start:\n{process.last_lines()}"
                ) from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


class Worker:
    """A running `python -m worker`."""

    def __init__(self, process: ManagedProcess) -> None:
        self._process = process
        self._seen = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def memory_mib(self) -> float:
        """Resident memory now."""
        return float(self._seen.memory_info().rss / _MIB)

    def require_alive(self) -> None:
        """Raises: ServerStartError: it has ended; the message has its last lines."""
        if not self._process.alive:
            raise ServerStartError(f"The worker has ended:\n{self._process.last_lines()}")

    def stop(self) -> None:
        """End it in order, so that it leaves its group."""
        self._process.stop(_STOP_SECONDS)


@asynccontextmanager
async def worker(
    case: Case, platform: StandIn, *, checkout: Path, environment: Mapping[str, str], log_path: Path
) -> AsyncIterator[Worker]:
    """A worker of this checkout that begins to drain at once."""
    (port,) = choose_free()
    of_case = {
        "DATA_PLATFORM_URL": platform.url,
        "DATA_PLATFORM_BATCH_SIZE": str(case.batch_size),
        "DATA_PLATFORM_BATCH_CALLS" if case.batch_size > 1 else "DATA_PLATFORM_SINGLE_CALLS": str(case.calls),
        "WORKER_PORT": str(port),
    }
    command = [sys.executable, "-m", "worker"]
    process = spawn("worker", command, log_path=log_path, env={**environment, **of_case}, cwd=checkout)
    running = Worker(process)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


async def floor(case: Case | None, *, bootstrap_servers: str, events: int, log_path: Path) -> float:
    """Events per second of a bare consumer; with a case, of one that calls the platform too.

    Raises:
        ServerStartError: it failed, or did not end in time.
    """
    arguments = [bootstrap_servers, str(events)]
    if case is None:
        return await _run_floor(arguments)
    async with stand_in(case.latency_ms, log_path=log_path) as platform:
        more = ["--url", platform.url, "--batch-size", str(case.batch_size), "--calls", str(case.calls)]
        return await _run_floor([*arguments, *more])


async def _run_floor(arguments: list[str]) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.drain.floor", *arguments, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _FLOOR_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ServerStartError(f"A bare consumer did not end within {_FLOOR_SECONDS:.0f} s.") from None
    if process.returncode:
        raise ServerStartError(f"A bare consumer failed: {errors.decode().strip()[-1000:]}")
    return float(output)
