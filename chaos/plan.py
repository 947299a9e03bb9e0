"""The plan: which faults, on whom, in which order, for how long; the same seed gives the same plan."""

import random
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from chaos.decks import (
    FULL_DISK,
    KAFKA_PAUSES,
    OPERATORS,
    PLATFORM,
    PROCESSES,
    REFUSALS,
    SERVERS,
    SMOKE,
    Card,
)

KILLS_SESSION_MS = 2_000
PAUSES_SESSION_MS = 60_000
"""A paused broker would be put out of its own cluster after a short session."""
_ROUND_MINUTES = 10.0


class Kind(StrEnum):
    """What is done to the target."""

    KILL = "kill"
    """SIGKILL; started again when the fault is over."""
    RESTART = "restart"
    """SIGTERM, as in a deploy; started again when the fault is over."""
    PAUSE = "pause"
    """SIGSTOP, then SIGCONT."""
    NETWORK = "network"
    """The proxy before the target misbehaves; `detail`: weather, seconds."""
    PLATFORM = "platform"
    """The data platform misbehaves; `detail`: its own fault switches."""
    CLOCK = "clock"
    """The wall clock of one process jumps; `detail`: seconds."""
    FULL_DISK = "full-disk"
    """The database's file system has no byte left."""
    OPERATOR = "operator"
    """Somebody decides about dead letters; `detail`: the command."""


class Step(msgspec.Struct, frozen=True):
    """One fault: `wait_seconds` after the one before it in its lane, then there for `hold_seconds`."""

    kind: Kind
    target: str
    wait_seconds: float
    hold_seconds: float
    detail: dict[str, Any] = {}

    def __str__(self) -> str:
        more = "".join(f" {name}={value}" for name, value in self.detail.items())
        return f"{self.kind} {self.target}{more} for {self.hold_seconds:.1f} s"


class Phase(msgspec.Struct, frozen=True):
    """Lanes run beside each other, the steps of a lane one after the other."""

    name: str
    lanes: dict[str, list[Step]]
    kafka_session_ms: int = KILLS_SESSION_MS


class Plan(msgspec.Struct, frozen=True):
    """A whole campaign."""

    seed: int
    minutes: float
    phases: list[Phase]
    order_ttl_seconds: int = 20
    """After it an order without payment expires."""

    @property
    def steps(self) -> list[Step]:
        """All faults, phase by phase and lane by lane."""
        return [step for phase in self.phases for lane in phase.lanes.values() for step in lane]

    @property
    def counts(self) -> Counter[str]:
        """How many faults there are, by kind and target: `kill worker-1`."""
        return Counter(f"{step.kind} {step.target}" for step in self.steps)


def make_plan(seed: int, minutes: float) -> Plan:
    """Rounds of about ten minutes, each with every fault in an order of its own; one round at least."""
    rng = random.Random(seed)  # noqa: S311 - a plan, no secret
    rounds = max(1, round(minutes / _ROUND_MINUTES))
    phases: list[Phase] = []
    for number in range(1, rounds + 1):
        lanes = {
            "processes": _lane(rng, PROCESSES),
            "servers": _lane(rng, SERVERS),
            "platform": _lane(rng, PLATFORM),
        }
        phases += [
            Phase(f"round {number}: everything", lanes),
            Phase(f"round {number}: refusals", {"platform": _lane(rng, REFUSALS)}),
            Phase(f"round {number}: operators", {name: _lane(rng, deck) for name, deck in OPERATORS.items()}),
            Phase(f"round {number}: full disk", {"servers": _lane(rng, FULL_DISK)}),
            Phase(f"round {number}: paused broker", {"servers": _lane(rng, KAFKA_PAUSES)}, PAUSES_SESSION_MS),
        ]
    return Plan(seed, max(minutes, _ROUND_MINUTES), phases)


def smoke_plan(seed: int) -> Plan:
    """A few faults, to see that the machinery works."""
    rng = random.Random(seed)  # noqa: S311 - a plan, no secret
    phases = [
        Phase("smoke: everything", {name: _lane(rng, deck) for name, deck in SMOKE.items()}),
        Phase("smoke: refusals", {"platform": _lane(rng, REFUSALS)}),
    ]
    return Plan(seed, 1.0, phases, order_ttl_seconds=5)


def _lane(rng: random.Random, deck: Sequence[Card]) -> list[Step]:
    cards = [card for card in deck for _ in range(card.times)]
    rng.shuffle(cards)
    return [
        Step(
            Kind(card.kind),
            card.target,
            wait_seconds=round(rng.uniform(*card.wait), 2),
            hold_seconds=round(rng.uniform(*card.hold), 2),
            detail=dict(card.detail),
        )
        for card in cards
    ]
