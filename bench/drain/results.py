"""What a drain says."""

from typing import Any

import msgspec

from bench.results import Goal


class Case(msgspec.Struct, frozen=True):
    """One way to drain: events per call, calls at a time, and how late the platform answers."""

    batch_size: int
    calls: int
    latency_ms: int

    @property
    def title(self) -> str:
        """For the table."""
        kind = f"batches of {self.batch_size}" if self.batch_size > 1 else "single calls"
        return f"{kind}, {self.calls} at a time, platform {self.latency_ms} ms"


class Drain(msgspec.Struct, kw_only=True):
    """One drain by a worker: from its first call until every result was written."""

    events: int
    seconds: float
    written_seconds: float
    """From the last arrival until every result was written."""
    worker_cpu_us: float
    """Processor time of the worker per event, microseconds."""
    platform_cores: float
    """How much of a core the platform's stand-in took: near 1 it would be what is measured."""
    calls: int
    repeats: int
    violations: int
    uncommitted: int

    @property
    def per_second(self) -> float:
        """Events per second."""
        return self.events / self.seconds


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's highest resident memory in MiB: within the first events, and over all of them."""

    events: int
    early_events: int
    early_peak_mib: float
    peak_mib: float


class DrainReport(msgspec.Struct, kw_only=True):
    """Everything of one bench of drains; runs by case, floors in events per second.

    `others` are the runs of another checkout, one beside each of `drains`.
    """

    machine: dict[str, Any]
    cases: dict[str, Case]
    drains: dict[str, list[Drain]]
    others: dict[str, list[Drain]]
    floors: dict[str, list[float]]
    relay: list[float]
    memory: Memory | None
    complaints: list[str]
    goals: list[Goal]
