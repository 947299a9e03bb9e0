"""What the numbers mean: medians, ratios, goals; as a table and as a JSON file."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.measuring import Measured
from bench.results import Goal, Report, Run
from bench.workloads import CEILING, HOT, ONE_BY_ONE, RANDOM, Workload

RESULTS = Path(__file__).with_name("results")
ALONE = "one-by-one"
YOUNG_TABLES = "the tables are young: made for this run, and not analysed while it measures"
"""The product's plans need no statistics; what this prints must hold for a shop's first day too."""


def machine(rounds: int, seed: int, **more: float) -> dict[str, Any]:
    """Where and how it was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "rounds": rounds,
        "seed": seed,
        "tables": YOUNG_TABLES,
        **more,
    }


def speed(runs: Sequence[Run]) -> float:
    """Median answers per second; 0 without a run."""
    return median(run.per_second for run in runs) if runs else 0.0


def goals(measured: Measured, shop: str) -> list[Goal]:
    """The numbers that this service is to reach on two cores which generator and servers share."""
    a, b, c = (speed(measured.runs[f"{shop}/{kind.key}"]) for kind in (RANDOM, HOT, CEILING))
    d = speed(measured.runs[f"{ALONE}/{ONE_BY_ONE.key}"])
    found = []
    for name, above, below, limit in (
        ("(a)/(c) orders / no-op", a, c, 0.40),
        ("(b)/(a) hot / random", b, a, 0.75),
        ("(a)/(d) grouped / one by one", a, d, 4.0),
    ):
        if above and below:
            found.append(Goal(name, above / below, limit, at_least=True))
    if measured.half_load:
        found.append(
            Goal("(e) p99 ms at half load", _median(measured.half_load, "p99_ms"), 50.0, at_least=False)
        )
    everything = [run for runs in measured.runs.values() for run in runs] + measured.half_load
    worst = max((run.topic_complete_seconds for run in everything), default=0.0)
    found.append(Goal("topic complete, seconds, worst run", worst, 1.0, at_least=False))
    found.append(
        Goal("answers other than 202", sum(r.refused + r.broken for r in everything), 0, at_least=False)
    )
    return found


def table(report: Report, workloads: Sequence[Workload]) -> str:
    """For a reader at a terminal."""
    titles = {workload.key: workload for workload in workloads}
    heading = f"medians of {report.machine['rounds']} runs"
    lines = [_row(heading, "conns", "per s", "p50 ms", "p99 ms", "cpu us")]
    for name, runs in report.runs.items():
        shop, key = name.split("/")
        title = f"({key}) {titles[key].title} [{shop}]"
        lines.append(_line(title, str(titles[key].connections), runs))
    if report.half_load:
        lines.append(_line("(e) open loop at half of (a)", "open", report.half_load))
    lines += ["", *(goal_line(goal) for goal in report.goals), ""]
    lines += [
        f"memory of {name}: {before:.0f} MiB at first, {report.memory_after[name]:.0f} MiB at the end"
        for name, before in report.memory_before.items()
    ]
    lines.append(
        "accepted = rows = events: " + ", ".join(f"{name} {n:,}" for name, n in report.counts.items())
    )
    return "\n".join([*lines, *(f"WRONG: {complaint}" for complaint in report.complaints)])


def save(report: msgspec.Struct, part: str, at: str, folder: Path = RESULTS) -> Path:
    """Write the whole report of a part of the bench, measured `at`; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}-{at.replace(':', '').replace('+0000', 'Z')}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    return path


def memory_line(memory: Mapping[str, float]) -> str:
    """One line for the progress."""
    return ", ".join(f"{name} {mib:.0f} MiB" for name, mib in memory.items())


def _line(title: str, connections: str, runs: Sequence[Run]) -> str:
    latencies = (f"{_median(runs, name):.1f}" for name in ("p50_ms", "p99_ms"))
    return _row(title, connections, f"{speed(runs):,.0f}", *latencies, f"{_median(runs, 'cpu_us'):.0f}")


def _row(title: str, connections: str, *numbers: str) -> str:
    return f"{title:<58}{connections:>6}" + "".join(f"{number:>9}" for number in numbers)


def goal_line(goal: Goal) -> str:
    """One goal for a table."""
    sign = ">=" if goal.at_least else "<="
    verdict = "reached" if goal.reached else "NOT REACHED"
    return f"{goal.name:<42}{goal.value:>9.2f}   goal {sign} {goal.limit:g}   {verdict}"


def _median(runs: Sequence[Run], name: str) -> float:
    return median(float(getattr(run, name)) for run in runs)
