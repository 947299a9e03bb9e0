"""What drains mean: medians beside their floors, goals; as a table."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.drain.results import Case, Drain, DrainReport, Memory
from bench.report import goal_line
from bench.results import Goal

CASES = {
    "batch-2": Case(batch_size=100, calls=8, latency_ms=2),
    "batch-20": Case(batch_size=100, calls=8, latency_ms=20),
    "single-2": Case(batch_size=1, calls=100, latency_ms=2),
    "single-20": Case(batch_size=1, calls=100, latency_ms=20),
}
"""The worker's own defaults for batches and calls."""
MEMORY = CASES["batch-2"]
EARLY_EVENTS = 100_000
_PER_SECOND = {"batch-2": 30_000, "batch-20": 15_000, "single-20": 4_400}
_OF_FLOOR = 0.6
_OF_OTHER = {"batch-2": 1.1, "batch-20": 1.0, "single-2": 1.0, "single-20": 1.0}
_CPU_US = 30.0
_RELAY_PER_SECOND = 13_000
_MEMORY_GROWTH = 1.25
_NONE: Mapping[str, Sequence[Drain]] = {}


def goals(
    drains: Mapping[str, Sequence[Drain]],
    floors: Mapping[str, Sequence[float]],
    relay: Sequence[float],
    memory: Memory | None,
    others: Mapping[str, Sequence[Drain]] = _NONE,
) -> list[Goal]:
    """The numbers that this pipeline is to reach on two cores which clients and servers share."""
    found = [
        Goal(f"{CASES[name].title}: events/s", _speed(drains[name]), limit, at_least=True)
        for name, limit in _PER_SECOND.items()
        if drains.get(name)
    ]
    found += [
        Goal(
            f"{CASES[name].title}: of its floor",
            _speed(drains[name]) / median(floors[name]),
            _OF_FLOOR,
            at_least=True,
        )
        for name in ("batch-2", "batch-20")
        if drains.get(name) and floors.get(name)
    ]
    found += [
        Goal(
            f"{CASES[name].title}: of the other checkout", _of_other(drains[name], runs), limit, at_least=True
        )
        for name, limit in _OF_OTHER.items()
        if (runs := others.get(name)) and drains.get(name)
    ]
    found += [
        Goal(f"{CASES[name].title}: processor us/event", _cpu_us(drains[name]), _CPU_US, at_least=False)
        for name in ("batch-2", "batch-20")
        if drains.get(name)
    ]
    if relay:
        found.append(Goal("relay: events/s", median(relay), _RELAY_PER_SECOND, at_least=True))
    if memory:
        growth = memory.peak_mib / max(1.0, memory.early_peak_mib)
        found.append(Goal("memory: peak / peak of the first 100,000", growth, _MEMORY_GROWTH, at_least=False))
    everything = [drain for runs in drains.values() for drain in runs]
    if everything:
        wrong_order = sum(drain.violations + drain.repeats for drain in everything)
        found.append(Goal("events out of order, or repeated", wrong_order, 0, at_least=False))
    return found


def wrong(drains: Mapping[str, Sequence[Drain]]) -> list[str]:
    """What may not happen however fast it goes, one sentence each."""
    found = []
    for name, runs in drains.items():
        for drain in runs:
            if drain.violations or drain.repeats:
                found.append(f"{name}: {drain.violations} events came out of order, {drain.repeats} twice.")
            if drain.uncommitted:
                found.append(f"{name}: {drain.uncommitted} events were not committed at the end.")
    return found


def drain_table(report: DrainReport) -> str:
    """For a reader at a terminal."""
    heading = f"drain of a backlog, medians of {report.machine['rounds']}"
    lines = [_row(heading, "per s", "of floor", "cpu us", "write s", "platform")]
    if bare := report.floors.get("nothing"):
        lines.append(_row("bare consumer that does nothing", f"{median(bare):,.0f}"))
    for name, case in report.cases.items():
        floors, drains = report.floors.get(name, ()), report.drains.get(name, ())
        if floors:
            lines.append(_row(f"no queue, no database, {case.title}", f"{median(floors):,.0f}"))
        if drains:
            lines.append(_drain_line("worker", case, drains, floors))
        if others := report.others.get(name):
            lines.append(_drain_line("worker of the other checkout", case, others, floors))
    if report.relay:
        lines.append(_row("relay, outbox to topic", f"{median(report.relay):,.0f}"))
    if report.memory:
        memory = report.memory
        lines.append(
            f"memory of the worker: {memory.early_peak_mib:.0f} MiB at most in the first"
            f" {memory.early_events:,} events, {memory.peak_mib:.0f} MiB in {memory.events:,}"
        )
    lines += ["", *(goal_line(goal) for goal in report.goals)]
    return "\n".join([*lines, *(f"WRONG: {complaint}" for complaint in report.complaints)])


def _drain_line(who: str, case: Case, drains: Sequence[Drain], floors: Sequence[float]) -> str:
    of_floor = f"{_speed(drains) / median(floors):.2f}" if floors else ""
    return _row(
        f"{who}, {case.title}",
        f"{_speed(drains):,.0f}",
        of_floor,
        f"{_cpu_us(drains):.0f}",
        f"{median(drain.written_seconds for drain in drains):.2f}",
        f"{median(drain.platform_cores for drain in drains):.2f}",
    )


def _row(title: str, *numbers: str) -> str:
    return f"{title:<70}" + "".join(f"{number:>9}" for number in numbers)


def _speed(drains: Sequence[Drain]) -> float:
    return median(drain.per_second for drain in drains)


def _cpu_us(drains: Sequence[Drain]) -> float:
    return median(drain.worker_cpu_us for drain in drains)


def _of_other(drains: Sequence[Drain], others: Sequence[Drain]) -> float:
    """The median of the pairs: what disturbed the machine has met both of one."""
    return median(ours.per_second / theirs.per_second for ours, theirs in zip(drains, others, strict=True))
