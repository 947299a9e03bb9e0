"""The report: what was planned, what was done, what it came to; for the terminal and as a file."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.plan import Kind, Plan, Step
from devservices.instance import ROOT

RESULTS = ROOT / "chaos" / "results"
_SHOWN = 20


class Injected(msgspec.Struct, kw_only=True):
    """A fault as it happened; times in seconds from the begin of the campaign."""

    step: Step
    phase: str
    at: float
    mended_at: float | None = None
    recovered_seconds: float | None = None
    not_run: str = ""
    """Why this machine did not allow it, or why time did not."""


class Figures(msgspec.Struct, kw_only=True):
    """The campaign in numbers."""

    seconds: float
    orders: int
    events: int
    arrivals: int
    repeats: int
    dead_letters: int
    sigkills: dict[str, int]
    broker_outages: int
    database_restarts: int
    pauses: int
    answers: dict[str, int]
    starts: dict[str, int]
    ended_by_themselves: dict[str, int]
    longest_recovery_seconds: float
    longest_recovery_after: str
    """The fault after which it took so long."""
    settled_seconds: float


class Report(msgspec.Struct, kw_only=True):
    """Everything that is written down."""

    plan: Plan
    injected: list[Injected]
    figures: Figures
    violations: list[str]
    logs: str = ""


def done(injected: Sequence[Injected], *kinds: Kind, target: str = "") -> Counter[str]:
    """The faults of these kinds that were injected, by target."""
    found = (each.step for each in injected if not each.not_run and each.step.kind in kinds)
    return Counter(step.target for step in found if target in ("", step.target))


def broker_outages(injected: Sequence[Injected]) -> int:
    """Times that nobody could reach the broker: killed, or behind a network that let nothing through."""
    broken = [
        each
        for each in injected
        if not each.not_run
        and each.step.target == "kafka"
        and (each.step.kind is Kind.KILL or each.step.detail.get("weather") in {"reset", "black-hole"})
    ]
    return len(broken)


def lines(report: Report) -> list[str]:
    """The end of the campaign for the terminal."""
    figures = report.figures
    kills = ", ".join(f"{name} {number}" for name, number in sorted(figures.sigkills.items()))
    not_run = {
        f"{each.step.kind} {each.step.target}: {each.not_run}" for each in report.injected if each.not_run
    }
    ended = ", ".join(f"{name} x {number}" for name, number in figures.ended_by_themselves.items())
    answers = ", ".join(f"{name}: {number}" for name, number in sorted(figures.answers.items()))
    return [
        f"seed                  {report.plan.seed}",
        f"time                  {figures.seconds:.0f} s",
        f"came to rest after    {figures.settled_seconds:.1f} s",
        f"orders                {figures.orders}",
        f"events                {figures.events}",
        f"arrivals              {figures.arrivals}, repeats {figures.repeats}",
        f"dead on purpose       {figures.dead_letters}",
        f"SIGKILLs              {sum(figures.sigkills.values())} ({kills})",
        f"broker outages        {figures.broker_outages}",
        f"database restarts     {figures.database_restarts}",
        f"pauses                {figures.pauses}",
        f"longest recovery      {figures.longest_recovery_seconds:.1f} s, {figures.longest_recovery_after}",
        f"ended by themselves   {ended or 'none'}",
        f"answers               {answers}",
        *(f"not run               {said}" for said in sorted(not_run)),
        f"violations            {len(report.violations)}",
        *(f"  {violation}" for violation in report.violations[:_SHOWN]),
        *([f"logs                  {report.logs}"] if report.logs else []),
    ]


def save(report: Report, directory: Path) -> Path:
    """Write it down beside its logs; returns the path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "report.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return path
