"""What a measurement says: one run of one workload, and all that a bench writes down."""

from typing import Any

import msgspec


class Run(msgspec.Struct, kw_only=True):
    """One run of one generator against one process; a refusal is any answer but 202."""

    answers: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    topic_complete_seconds: float = 0.0
    """From the last answer until every order was in the topic."""
    cpu_us: float = 0.0
    """Processor time of the API per answer, microseconds: what other load on the machine disturbs least."""

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


class Goal(msgspec.Struct, frozen=True):
    """A number to reach; `at_least` tells on which side of it."""

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def reached(self) -> bool:
        """Whether the value is on the right side."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


class Report(msgspec.Struct, kw_only=True):
    """Everything of one bench. Memory in MiB, by process; `runs` by process and workload."""

    machine: dict[str, Any]
    runs: dict[str, list[Run]]
    half_load: list[Run]
    half_load_per_second: list[float]
    memory_before: dict[str, float]
    memory_after: dict[str, float]
    counts: dict[str, int]
    complaints: list[str]
    goals: list[Goal]
