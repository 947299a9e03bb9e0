"""One bench of drains from start to end: servers, a full topic, floors and workers in turn, report."""

import os
import secrets
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.commands import run_command
from bench.drain.draining import Draining
from bench.drain.processes import floor
from bench.drain.relay import relay_per_second
from bench.drain.report import CASES, EARLY_EVENTS, MEMORY, goals, wrong
from bench.drain.results import Case, Drain, DrainReport, Memory
from bench.drain.topic import create_topic, fill_topic
from bench.measuring import Say
from bench.report import YOUNG_TABLES, machine
from bench.servers import bench_servers
from devservices.stack import Addresses

ORDERS = 5_000
RELAY_ORDERS = 10_000
MEMORY_ORDERS = 100_000
_PRODUCT_NAMES = (
    "DATABASE_URL", "WORKER_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_TOKEN",
    "ORDER_EVENTS_PARTITIONS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """Which cases, how often; `relay` and `memory` beside them."""

    cases: tuple[str, ...] = tuple(CASES)
    rounds: int = 3
    floors: bool = True
    relay: bool = True
    memory: bool = False


@dataclass(slots=True)
class _Found:
    drains: dict[str, list[Drain]] = field(default_factory=lambda: defaultdict(list))
    floors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    relay: list[float] = field(default_factory=list)
    memory: Memory | None = None


async def run_drains(plan: DrainPlan, *, seed: int, say: Say) -> DrainReport:
    """Measure as planned on servers of its own, which are gone afterwards.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    found = _Found()
    say(YOUNG_TABLES)
    if plan.cases:
        await _cases(plan, found, seed, say)
    if plan.relay:
        for number in range(1, plan.rounds + 1):
            async with _measuring(say) as at:
                found.relay.append(await at.relay(seed))
            say(f"round {number}/{plan.rounds}  relay: {found.relay[-1]:,.0f}/s")
    if plan.memory:
        async with _measuring(say) as at:
            events = await at.filled(MEMORY_ORDERS, seed)
            drained, found.memory = await at.draining().memory(MEMORY, events, early_events=EARLY_EVENTS)
            found.drains["memory"].append(drained)
        say(f"memory: {found.memory}")
    return DrainReport(
        machine=machine(plan.rounds, seed),
        cases=CASES,
        drains=dict(found.drains),
        floors=dict(found.floors),
        relay=found.relay,
        memory=found.memory,
        complaints=wrong(found.drains),
        goals=goals(found.drains, found.floors, found.relay, found.memory),
    )


@dataclass(frozen=True, slots=True)
class _At:
    """Servers, migrated and empty."""

    addresses: Addresses
    environment: dict[str, str]
    directory: Path

    def draining(self) -> Draining:
        return Draining(
            environment=self.environment,
            database_url=self.addresses.database_url,
            bootstrap_servers=self.addresses.kafka_bootstrap_servers,
            directory=self.directory,
        )

    async def filled(self, orders: int, seed: int) -> int:
        await create_topic(self.addresses.kafka_bootstrap_servers)
        return await fill_topic(self.addresses.kafka_bootstrap_servers, orders=orders, seed=seed)

    async def floor(self, case: Case | None, events: int) -> float:
        return await floor(
            case,
            bootstrap_servers=self.addresses.kafka_bootstrap_servers,
            events=events,
            log_path=self.directory / "platform.log",
        )

    async def relay(self, seed: int) -> float:
        return await relay_per_second(
            environment=self.environment,
            database_url=self.addresses.database_url,
            orders=RELAY_ORDERS,
            seed=seed,
            directory=self.directory,
        )


@asynccontextmanager
async def _measuring(say: Say) -> AsyncIterator[_At]:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        say("starting PostgreSQL and Kafka")
        async with bench_servers() as addresses:
            caller = {name: value for name, value in os.environ.items() if name not in _PRODUCT_NAMES}
            environment = {
                **caller, **addresses.as_environment(), "ENV_FILE": os.devnull,
                "JWT_SECRET": secrets.token_hex(32), "LOG_LEVEL": "info", "LOG_FILE": "",
            }  # fmt: skip
            for process in ("app", "worker"):
                await run_command(process, "migrate", environment=environment)
            yield _At(addresses, environment, Path(directory))


async def _cases(plan: DrainPlan, found: _Found, seed: int, say: Say) -> None:
    async with _measuring(say) as at:
        say(f"filling the topic (seed {seed})")
        events = await at.filled(ORDERS, seed)
        draining = at.draining()
        for number in range(1, plan.rounds + 1):
            turn = f"round {number}/{plan.rounds}"
            if plan.floors:
                found.floors["nothing"].append(await at.floor(None, events))
                say(f"{turn}  bare consumer: {found.floors['nothing'][-1]:,.0f}/s")
            for name in plan.cases:
                case = CASES[name]
                if plan.floors:
                    found.floors[name].append(await at.floor(case, events))
                    say(f"{turn}  no lanes, no ledger, {case.title}: {found.floors[name][-1]:,.0f}/s")
                drained = await draining.drain(case, events)
                found.drains[name].append(drained)
                say(f"{turn}  worker, {case.title}: {drained.per_second:,.0f}/s")
