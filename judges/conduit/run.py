"""Measures both conduits in turn, kind by kind, and puts their figures side by side."""

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.measuring import Say
from bench.report import goal_line
from bench.results import Goal, Run
from bench.servers import bench_servers
from judges.conduit.contestants import OURS, THEIRS, Contestant, nest_conduit, our_conduit
from judges.conduit.work import ARTICLES, Work, settle

IN_FLIGHT = (1, 64)
_ROUNDS = 2
_SECONDS = 1.0
_WARM_UP = 16
_TIMES = 4.0

Runs = dict[str, dict[str, dict[int, list[Run]]]]
"""By kind of request, contestant and number in flight, in the order of the rounds."""


class ConduitReport(msgspec.Struct, kw_only=True):
    """Memory in MiB before and after all of it, and seconds until ready, by contestant and process."""

    runs: Runs
    start_seconds: dict[str, Mapping[str, float]]
    memory_before: dict[str, dict[str, float]]
    memory_after: dict[str, dict[str, float]]


async def run_conduit(*, say: Say) -> ConduitReport:
    """On servers of its own.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    async with _contestants() as contestants:
        before = {each.name: each.memory_mib() for each in contestants}
        say(f"conduit: {ARTICLES:,} articles for each")
        readers = {each.name: await settle(each.url) for each in contestants}
        assert readers[OURS].members == readers[THEIRS].members, "they do not answer alike"
        runs = await _rounds(contestants, {name: each.works for name, each in readers.items()}, say)
        return ConduitReport(
            runs=runs,
            start_seconds={each.name: each.start_seconds for each in contestants},
            memory_before=before,
            memory_after={each.name: each.memory_mib() for each in contestants},
        )


def conduit_table(report: ConduitReport) -> str:
    """For a reader at a terminal."""
    columns = ("in flight", "per s", "spread", "p50 ms", "p99 ms", "cpu us", "not taken")
    lines = [f"{f'conduit, medians of {_ROUNDS} runs':<34}" + "".join(f"{each:>12}" for each in columns)]
    goals = []
    for kind, by_name in report.runs.items():
        for name, by_number in by_name.items():
            lines += [_row(f"{kind}: {name}", number, runs) for number, runs in by_number.items()]
        goals += [
            _compared(kind, number, by_name[OURS][number], by_name[THEIRS][number]) for number in IN_FLIGHT
        ]
    return "\n".join([*lines, "", *goals, "", *_process_lines(report)])


@asynccontextmanager
async def _contestants() -> AsyncIterator[list[Contestant]]:
    with tempfile.TemporaryDirectory(prefix="judges-conduit-") as directory:
        async with (
            bench_servers() as addresses,
            our_conduit(addresses, Path(directory)) as ours,
            nest_conduit(addresses) as theirs,
        ):
            yield [ours, theirs]


async def _rounds(contestants: Sequence[Contestant], works: Mapping[str, Sequence[Work]], say: Say) -> Runs:
    """One kind after the other, and in each round both, so that what disturbs one disturbs the other."""
    runs: Runs = {}
    for place, kind in enumerate(each.name for each in works[OURS]):
        runs[kind] = {each.name: {number: [] for number in IN_FLIGHT} for each in contestants}
        for each in contestants:
            await works[each.name][place].load.run(_WARM_UP, at_least=_WARM_UP)
        for turn in range(_ROUNDS):
            for each in contestants if turn % 2 else contestants[::-1]:
                for number in IN_FLIGHT:
                    run = await _measure(each, works[each.name][place], number)
                    runs[kind][each.name][number].append(run)
                    say(f"round {turn + 1}: {kind}, {each.name}, {number} in flight: {run.per_second:,.0f}/s")
    return runs


async def _measure(contestant: Contestant, work: Work, in_flight: int) -> Run:
    before = contestant.cpu_seconds()
    run = await work.load.run(in_flight, seconds=_SECONDS)
    run.cpu_us = (contestant.cpu_seconds() - before) / max(1, run.answers) * 1e6
    return run


def _compared(kind: str, in_flight: int, ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    """Of the same rounds. Processor time is what other load on the machine disturbs least."""
    pairs = list(zip(ours, theirs, strict=True))
    ratios = [one.per_second / other.per_second for one, other in pairs]
    cpu = median(other.cpu_us / one.cpu_us for one, other in pairs)
    label = f"{kind}, {in_flight} in flight / {THEIRS}"
    if in_flight == IN_FLIGHT[-1]:
        line = goal_line(Goal(label, median(ratios), _TIMES, at_least=True))
    else:
        line = f"{label:<42}{median(ratios):>9.2f}"
    return f"{line}   ({min(ratios):.2f}-{max(ratios):.2f}; by processor time {cpu:.2f})"


def _row(label: str, in_flight: int, runs: Sequence[Run]) -> str:
    speeds = [run.per_second for run in runs]
    spread = f"{min(speeds):,.0f}-{max(speeds):,.0f}"
    middle = [median(getattr(run, name) for run in runs) for name in ("p50_ms", "p99_ms", "cpu_us")]
    numbers = "".join(f"{each:>12,.1f}" for each in middle)
    lost = sum(run.refused + run.broken for run in runs)
    return f"{label:<34}{in_flight:>12}{median(speeds):>12,.0f}{spread:>12}{numbers}{lost:>12}"


def _process_lines(report: ConduitReport) -> list[str]:
    return [
        f"{f'{name} {process}':<34} ready after {seconds:.2f} s,"
        f" {report.memory_before[name][process]:.0f} MiB then,"
        f" {report.memory_after[name][process]:.0f} MiB at the end"
        for name, by_process in report.start_seconds.items()
        for process, seconds in by_process.items()
    ]
