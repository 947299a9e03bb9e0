"""Runs echoes in turn, each a service and a caller in processes of their own, and compares them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.measuring import Say
from bench.report import goal_line, machine
from bench.results import Goal
from bench.rpc.calling import Called
from bench.rpc.echo import CALLER, ECHO
from bench.rpc.floor import ANSWERED, ASKED
from bench.servers import TEST_KAFKA
from devservices import throwaway
from devservices.errors import DevServicesError
from devservices.instance import ROOT
from devservices.processes import spawn
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.security import KafkaSecurity
from kits.rpc.topics import reply_topic

IN_FLIGHT = (1, 64)
OURS, FLOOR = "kits/rpc", "raw client"
_RUN_SECONDS = 120.0
_STOP_SECONDS = 10.0


class CallerFailedError(DevServicesError):
    """A caller ended without a result."""

    code = "caller_failed"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to ask: the service's command, and the caller's, which gets IN_FLIGHT and SECONDS besides."""

    name: str
    serve: Sequence[str]
    call: Sequence[str]
    folder: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)


class RpcReport(msgspec.Struct, kw_only=True):
    """Per contestant and number of calls in flight the runs, in the order of the rounds."""

    machine: dict[str, Any]
    runs: dict[str, dict[int, list[Called]]]
    goals: list[Goal]


def own_contestants(servers: str) -> list[Contestant]:
    """Ours, and the floor."""
    return [_python(OURS, "bench.rpc.echo", servers), _python(FLOOR, "bench.rpc.floor", servers)]


async def run_rpc(*, rounds: int, seconds: float, say: Say) -> RpcReport:
    """Ours beside the floor, on a broker of this bench.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    async with rpc_broker() as servers:
        runs = await run_echoes(own_contestants(servers), rounds=rounds, seconds=seconds, say=say)
    return RpcReport(machine=machine(rounds, 0), runs=runs, goals=goals(runs))


async def run_echoes(
    contestants: Sequence[Contestant], *, rounds: int, seconds: float, say: Say
) -> dict[str, dict[int, list[Called]]]:
    """Each contestant in each round, so that what disturbs the machine disturbs all of them alike."""
    runs: dict[str, dict[int, list[Called]]] = {
        each.name: {number: [] for number in IN_FLIGHT} for each in contestants
    }
    with tempfile.TemporaryDirectory(prefix="bench-rpc-") as folder:
        for number in range(rounds):
            for each in contestants:
                for in_flight in IN_FLIGHT:
                    called = await _run(each, in_flight, seconds, Path(folder))
                    runs[each.name][in_flight].append(called)
                    say(f"round {number + 1}: {each.name}, {in_flight} in flight: {called.per_second:,.0f}/s")
    return runs


@asynccontextmanager
async def rpc_broker() -> AsyncIterator[str]:
    """A Kafka with the topics of the echoes; those of a broker that was given are removed again."""
    given = os.environ.get(TEST_KAFKA)
    stack = throwaway.claim("bench")
    try:
        if not given:
            await asyncio.to_thread(stack.kafka.start)
        servers = given or stack.kafka.bootstrap_servers
        admin = TopicAdmin(bootstrap_servers=servers, security=KafkaSecurity(), client_id="bench")
        await admin.ensure_topics([TopicSpec(ASKED, 1), TopicSpec(ANSWERED, 1)])
        yield servers
        if given:
            await admin.delete_topics([ASKED, ANSWERED, ECHO.topic, reply_topic(CALLER)])
    finally:
        throwaway.release(stack)


def goals(runs: Mapping[str, Mapping[int, Sequence[Called]]], *, peer: str = "") -> list[Goal]:
    """What request-reply is to reach beside the floor, and beside a peer if there is one."""
    one, many = IN_FLIGHT
    found = [
        Goal(f"{many} in flight / {FLOOR}", _ratio(runs, FLOOR, many), 0.5, at_least=True),
        Goal(f"{many} in flight: p99 ms", _median(runs[OURS][many], "p99_ms"), 20.0, at_least=False),
    ]
    if peer:
        found.append(Goal(f"{one} in flight / {peer}", _ratio(runs, peer, one), 2.0, at_least=True))
        found.append(Goal(f"{many} in flight / {peer}", _ratio(runs, peer, many), 4.0, at_least=True))
    return found


def rpc_table(report: RpcReport) -> str:
    """For a reader at a terminal."""
    heading = f"round trips, medians of {report.machine['rounds']} runs"
    lines = [
        f"{heading:<44}{'in flight':>10}{'per s':>9}{'spread':>15}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}"
    ]
    for name, by_number in report.runs.items():
        for in_flight, runs in by_number.items():
            speeds = [run.per_second for run in runs]
            spread = f"{min(speeds):,.0f}-{max(speeds):,.0f}"
            numbers = "".join(f"{_median(runs, each):>9.1f}" for each in ("p50_ms", "p99_ms", "cpu_us"))
            lines.append(f"{name:<44}{in_flight:>10}{median(speeds):>9,.0f}{spread:>15}{numbers}")
    return "\n".join([*lines, "", *(goal_line(goal) for goal in report.goals)])


def _python(name: str, module: str, servers: str) -> Contestant:
    command = [sys.executable, "-m", module]
    return Contestant(name, [*command, "serve", servers], [*command, "call", servers])


async def _run(contestant: Contestant, in_flight: int, seconds: float, logs: Path) -> Called:
    environment = {**os.environ, **contestant.environment}
    log_path = logs / f"{contestant.name.replace('/', '-')}.log"
    service = spawn("echo", list(contestant.serve), log_path=log_path, env=environment, cwd=contestant.folder)
    try:
        caller = await asyncio.create_subprocess_exec(
            *contestant.call, str(in_flight), str(seconds),
            stdout=asyncio.subprocess.PIPE, env=environment, cwd=contestant.folder,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(caller.communicate(), _RUN_SECONDS)
        finally:
            if caller.returncode is None:
                caller.kill()
                await caller.wait()
        if caller.returncode:
            raise CallerFailedError(f"The caller of {contestant.name} failed: see its output above.")
        return msgspec.json.decode(output.splitlines()[-1], type=Called)
    finally:
        await asyncio.to_thread(service.stop, _STOP_SECONDS)


def _ratio(runs: Mapping[str, Mapping[int, Sequence[Called]]], other: str, in_flight: int) -> float:
    """Of the same rounds, the median."""
    pairs = zip(runs[OURS][in_flight], runs[other][in_flight], strict=True)
    return median([ours.per_second / theirs.per_second for ours, theirs in pairs])


def _median(runs: Sequence[Called], name: str) -> float:
    return median(float(getattr(run, name)) for run in runs)
