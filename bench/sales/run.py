"""Runs the stream with one and two processes over the same orders, then kills a process and waits for it."""

import asyncio
import os
import re
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
import psutil  # type: ignore[import-untyped]

from bench.measuring import Say
from bench.report import machine
from bench.sales.orders import Told, write_orders
from bench.servers import TEST_KAFKA
from contracts.sales import ANALYTICS_GROUP, ORDER_SALES_PER_MINUTE
from devservices import throwaway
from devservices.errors import DevServicesError
from devservices.instance import ROOT
from devservices.ports import choose_free
from devservices.processes import ManagedProcess, spawn
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaError
from kits.kafka.log_reader import LogReader
from kits.kafka.security import KafkaSecurity
from services.sales.builds import Build

PROCESSES = (1, 2)
ORDERS = 40_000
_PYTHON = ROOT / ".venv-sales" / "bin" / "python"
_WITHIN_SECONDS = 240.0
_POLL_SECONDS = 0.1
_PARTITIONS = 4


class StreamFailedError(DevServicesError):
    """The stream did not tell all orders in time."""

    code = "stream_failed"


class Drained(msgspec.Struct, kw_only=True):
    """One run from the log's start: seconds from the first record to the last total, and from the start."""

    orders: int
    seconds: float
    seconds_from_start: float
    state_bytes: int
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Orders per second, while it streams."""
        return self.orders / self.seconds


class SalesReport(msgspec.Struct, kw_only=True):
    """Runs by the number of processes; seconds from the restart of a killed one until a new order is told."""

    machine: dict[str, Any]
    runs: dict[int, list[Drained]]
    back_seconds: dict[str, list[float]]
    complaints: list[str]


class _Streams:
    def __init__(self, servers: str, source: str, folder: Path) -> None:
        self._servers = servers
        self._source = source
        self.folder = folder
        self.running: dict[str, ManagedProcess] = {}
        self._ports: dict[str, int] = {}

    def start(self, name: str, **settings: str) -> None:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self._servers,
            "SALES_ORDERS_TOPIC": self._source,
            "SALES_STREAM_STATE_DIR": str(self.folder / f"state-{name}"),
            "SALES_STREAM_PORT": str(self.port(name)),
            "LOG_LEVEL": "warning",
            **settings,
        }
        command = [str(_PYTHON), "-m", "services.sales", "stream"]
        environment = {**os.environ, **environment}
        log_path = self.folder / f"{name}.log"
        self.running[name] = spawn(name, command, log_path=log_path, env=environment, cwd=ROOT)

    def port(self, name: str) -> int:
        if name not in self._ports:
            (self._ports[name],) = choose_free(1)
        return self._ports[name]

    async def have_begun(self) -> None:
        """Wait until one of them has read something."""
        async with aiohttp.ClientSession() as session:
            while not any([await self._has_read(session, name) for name in self.running]):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)

    async def _has_read(self, session: aiohttp.ClientSession, name: str) -> bool:
        with suppress(aiohttp.ClientError):
            async with session.get(f"http://127.0.0.1:{self.port(name)}/metrics") as answer:
                counted = re.search(r"^sales_stream_records_total (\S+)", await answer.text(), re.MULTILINE)
                return counted is not None and float(counted[1]) > 0
        return False

    def kill(self, name: str) -> None:
        for process in _family(self.running.pop(name)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    def cpu_seconds(self) -> float:
        times = [each.cpu_times() for one in self.running.values() for each in _family(one)]
        return float(sum(each.user + each.system for each in times))

    def state_bytes(self) -> int:
        return sum(each.stat().st_size for each in self.folder.rglob("state-*/**/*") if each.is_file())


async def run_sales(*, rounds: int, say: Say) -> SalesReport:
    """One process, two processes, and a process that is killed, on a broker of this bench.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    report = SalesReport(
        machine=machine(rounds, 0), runs={number: [] for number in PROCESSES},
        back_seconds={"with an instance id": [], "without": []}, complaints=[],
    )  # fmt: skip
    async with _broker() as servers:
        for number in range(rounds):
            for processes in PROCESSES:
                drained = await _drain(servers, f"bench-sales-{number}-{processes}", processes, report)
                report.runs[processes].append(drained)
                say(f"round {number + 1}: {processes} processes: {drained.per_second:,.0f} orders/s")
    return report


async def _drain(servers: str, topic: str, processes: int, report: SalesReport) -> Drained:
    brokers: dict[str, Any] = {
        "bootstrap_servers": servers, "security": KafkaSecurity(), "client_id": "bench"
    }  # fmt: skip
    await TopicAdmin(**brokers).ensure_topics(
        [TopicSpec(topic, _PARTITIONS), *Build(source=topic).topic_specs()[1:]]
    )
    await write_orders(servers, topic, ORDERS, seed=processes)
    with tempfile.TemporaryDirectory(prefix="bench-sales-") as folder:
        streams = _Streams(servers, topic, Path(folder))
        try:
            async with LogReader(**brokers) as reader:
                told = Told(reader, f"{topic}.{ORDER_SALES_PER_MINUTE}")
                began = time.monotonic()
                for number in range(processes):
                    streams.start(f"one-{number}", SALES_STREAM_INSTANCE_ID=f"{number}")
                async with asyncio.timeout(_WITHIN_SECONDS):
                    await streams.have_begun()
                first = time.monotonic()
                last = await _until(told, ORDERS)
                drained = Drained(
                    orders=ORDERS, seconds=last - first, seconds_from_start=last - began,
                    state_bytes=streams.state_bytes(), cpu_seconds=streams.cpu_seconds(),
                )  # fmt: skip
                if processes == 1:
                    await _recover(streams, servers, topic, told, report.back_seconds)
                if (found := await told.orders()) != ORDERS + (2 if processes == 1 else 0):
                    report.complaints.append(f"{topic}: {found} orders are told.")
                return drained
        finally:
            for name in list(streams.running):
                streams.kill(name)


async def _recover(
    streams: _Streams, servers: str, topic: str, told: Told, back: dict[str, list[float]]
) -> None:
    """Killed without its state folder while an order arrives; how long until that order is told."""
    name = next(iter(streams.running))
    for number, (how, settings) in enumerate(
        (("with an instance id", {"SALES_STREAM_INSTANCE_ID": "0"}), ("without", {}))
    ):
        await write_orders(servers, topic, 1, seed=1_000 + number)
        await asyncio.sleep(0.05)
        streams.kill(name)
        for each in sorted(streams.folder.rglob("state-*/**/*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
        began = time.monotonic()
        streams.start(name, **settings)
        back[how].append(await _until(told, ORDERS + 1 + number) - began)


async def _until(told: Told, orders: int) -> float:
    """When so many are told, on the monotonic clock."""
    give_up_at = time.monotonic() + _WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        with suppress(KafkaError):
            if await told.orders() >= orders:
                return time.monotonic()
        await asyncio.sleep(_POLL_SECONDS)
    raise StreamFailedError(f"The stream did not tell {orders} orders within {_WITHIN_SECONDS:.0f} s.")


@asynccontextmanager
async def _broker() -> AsyncIterator[str]:
    if not _PYTHON.exists():
        raise StreamFailedError("The stream has an environment of its own: `make bench ONLY=sales` makes it.")
    if given := os.environ.get(TEST_KAFKA):
        yield given
        return
    stack = throwaway.claim("bench")
    try:
        await asyncio.to_thread(stack.kafka.start)
        yield stack.kafka.bootstrap_servers
    finally:
        throwaway.release(stack)


def _family(process: ManagedProcess) -> Sequence[Any]:
    try:
        parent = psutil.Process(process.pid)
        return [*parent.children(), parent]
    except psutil.NoSuchProcess:
        return []


def sales_table(report: SalesReport) -> str:
    """For a reader at a terminal."""
    heading = f"{ANALYTICS_GROUP}, medians of {report.machine['rounds']} runs"
    columns = f"{'orders/s':>10}{'spread':>16}{'from start s':>14}{'cpu us':>9}{'state B/order':>15}"
    lines = [f"{heading:<34}{columns}"]
    for processes, runs in report.runs.items():
        speeds = [run.per_second for run in runs]
        spread = f"{min(speeds):,.0f}-{max(speeds):,.0f}"
        start = median(run.seconds_from_start for run in runs)
        cpu = median(run.cpu_seconds / run.orders for run in runs) * 1e6
        state = median(run.state_bytes / run.orders for run in runs)
        numbers = f"{median(speeds):>10,.0f}{spread:>16}{start:>14.1f}{cpu:>9.0f}{state:>15.0f}"
        lines.append(f"{f'{processes} processes':<34}{numbers}")
    for how, seconds in report.back_seconds.items():
        lines.append(f"back after SIGKILL, no state folder, {how}: {median(seconds):.1f} s")
    return "\n".join([*lines, *report.complaints])
