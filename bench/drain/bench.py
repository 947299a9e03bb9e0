"""One bench of drains from start to end: servers, a full topic, floors and workers in turn, report."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.drain.draining import Draining
from bench.drain.processes import floor
from bench.drain.relay import relay_per_second
from bench.drain.report import CASES, EARLY_EVENTS, MEMORY, goals, wrong
from bench.drain.results import Case, Drain, DrainReport, Memory
from bench.drain.topic import create_topic, fill_topic
from bench.measuring import Say
from bench.report import YOUNG_TABLES, machine
from bench.servers import Place, migrated_servers
from devservices.instance import ROOT

ORDERS = 5_000
RELAY_ORDERS = 10_000
MEMORY_ORDERS = 100_000


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """Which cases, how often; `relay` and `memory` beside them."""

    cases: tuple[str, ...] = tuple(CASES)
    rounds: int = 3
    floors: bool = True
    relay: bool = True
    memory: bool = False
    against: Path | None = None
    """Another checkout, whose worker drains beside this one's in every round."""


@dataclass(slots=True)
class _Found:
    drains: dict[str, list[Drain]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[Drain]] = field(default_factory=lambda: defaultdict(list))
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
        others=dict(found.others),
        floors=dict(found.floors),
        relay=found.relay,
        memory=found.memory,
        complaints=wrong(found.drains),
        goals=goals(found.drains, found.floors, found.relay, found.memory, found.others),
    )


class _At:
    """What is measured on these servers."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._kafka = place.addresses.kafka_bootstrap_servers

    def draining(self) -> Draining:
        return Draining(
            environment=self._place.environment,
            database_url=self._place.addresses.database_url,
            bootstrap_servers=self._kafka,
            directory=self._place.directory,
        )

    async def filled(self, orders: int, seed: int) -> int:
        await create_topic(self._kafka)
        return await fill_topic(self._kafka, orders=orders, seed=seed)

    async def floor(self, case: Case | None, events: int) -> float:
        log_path = self._place.directory / "platform.log"
        return await floor(case, bootstrap_servers=self._kafka, events=events, log_path=log_path)

    async def relay(self, seed: int) -> float:
        return await relay_per_second(
            environment=self._place.environment,
            database_url=self._place.addresses.database_url,
            orders=RELAY_ORDERS,
            seed=seed,
            directory=self._place.directory,
        )


@asynccontextmanager
async def _measuring(say: Say) -> AsyncIterator[_At]:
    say("starting PostgreSQL and Kafka")
    async with migrated_servers() as place:
        yield _At(place)


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
                    say(f"{turn}  no queue, no database, {case.title}: {found.floors[name][-1]:,.0f}/s")
                for kind, checkout in _in_turn(plan, number):
                    drained = await draining.drain(case, events, checkout=checkout)
                    (found.others if kind else found.drains)[name].append(drained)
                    say(f"{turn}  worker{kind}, {case.title}: {drained.per_second:,.0f}/s")


def _in_turn(plan: DrainPlan, number: int) -> list[tuple[str, Path]]:
    """Who drains in this round; with another checkout, the one and the other goes first by turns."""
    pair = [("", ROOT)] + ([(" of the other checkout", plan.against)] if plan.against else [])
    return pair if number % 2 else pair[::-1]
