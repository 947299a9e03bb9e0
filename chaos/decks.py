"""The decks: how often each fault comes in a round of ten minutes, and between which bounds it lasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Bounds = tuple[float, float]
DOWN: Bounds = (0.0, 4.0)
SOON: Bounds = (2.0, 6.0)
SELDOM: Bounds = (10.0, 20.0)
"""The platform's faults are spread over the whole round: while nothing reaches it they would do nothing."""
BEYOND_THE_LEASE: Bounds = (7.0, 10.0)
"""The campaign's outbox leases last 5 s."""
BEYOND_THE_SESSION: Bounds = (12.0, 16.0)
"""A consumer's session with its group lasts 10 s."""
BEYOND_EVERYTHING: Bounds = (40.0, 42.0)
"""Longer than leases, sessions, statements and calls: what it held is long with others when it comes back."""
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Card:
    """A fault, and how often it is in the deck. Seconds are drawn between the bounds."""

    kind: str
    target: str
    times: int = 1
    hold: Bounds = (3.0, 7.0)
    wait: Bounds = (3.0, 9.0)
    detail: Mapping[str, Any] = field(default_factory=dict)


def _storms(target: str) -> Sequence[Card]:
    return [
        Card("network", target, hold=(4.0, 8.0), detail={"weather": "delay", "seconds": 0.2}),
        Card("network", target, hold=(1.0, 4.0), detail={"weather": "reset"}),
        Card("network", target, hold=(4.0, 12.0), detail={"weather": "black-hole"}),
        Card("network", target, hold=(4.0, 8.0), detail={"weather": "slow-close", "seconds": 2.0}),
    ]


PROCESSES: Sequence[Card] = [
    *(Card("kill", name, 6, hold=DOWN, wait=SOON) for name in ("api-1", "api-2", "worker-1", "worker-2")),
    *(Card("pause", name, hold=BEYOND_THE_LEASE, wait=SOON) for name in ("api-1", "api-2")),
    Card("pause", "worker-1", hold=BEYOND_EVERYTHING, wait=SOON),
    Card("pause", "worker-2", hold=BEYOND_THE_SESSION, wait=SOON),
    *(Card("restart", name, hold=(0.0, 1.0), wait=SOON) for name in ("api-1", "worker-2")),
    Card("clock", "api-2", wait=SOON, detail={"seconds": 2 * HOUR}),
    Card("clock", "api-1", wait=SOON, detail={"seconds": -2 * HOUR}),
    Card("clock", "worker-1", wait=SOON, detail={"seconds": 48 * HOUR}),
    Card("clock", "worker-2", wait=SOON, detail={"seconds": -48 * HOUR}),
]
SERVERS: Sequence[Card] = [
    Card("kill", "postgres", 6, hold=DOWN),
    Card("kill", "kafka", 10, hold=(0.0, 6.0)),
    *_storms("postgres"),
    *_storms("kafka"),
]
PLATFORM: Sequence[Card] = [
    replace(card, wait=SELDOM)
    for card in (
        Card("kill", "platform", 4, hold=DOWN),
        *_storms("platform"),
        Card("platform", "platform", hold=(5.0, 10.0), detail={"outage": True}),
        Card("platform", "platform", detail={"outage": {"status": 429, "retryAfter": 1}}),
        Card("platform", "platform", hold=(6.0, 10.0), detail={"flap": {"upMs": 300, "downMs": 900}}),
        Card("platform", "platform", hold=(5.0, 9.0), detail={"latencyMs": 1500}),
        Card("platform", "platform", detail={"duplicateAnswers": True}),
        Card("platform", "platform", detail={"applyThenFail": "half"}),
        Card("platform", "platform", detail={"applyThenFail": "close"}),
        Card("platform", "platform", detail={"timeout": True}),
        Card("platform", "platform", detail={"batchUnsupported": True}),
        Card("platform", "platform", detail={"batchRetryEveryNth": 3}),
    )
]
REFUSALS: Sequence[Card] = [
    # Alone, so that events flow; and seldom enough that no guard against a storm of dead letters stops them.
    Card("platform", "platform", hold=(4.0, 5.0), detail={"reject": {"everyNth": 25}})
]
OPERATORS: Mapping[str, Sequence[Card]] = {
    # About what the refusals have left; the workers that are to do it die meanwhile.
    "operators": [
        Card("operator", "inbox", hold=(1.0, 2.0), wait=(0.0, 1.0), detail={"command": command})
        for command in ("dlq redrive --limit 2 --yes", "dlq discard --limit 1", "dlq skip --limit 1")
    ],
    "processes": [Card("kill", name, hold=(0.0, 1.0), wait=(0.5, 2.0)) for name in ("worker-1", "worker-2")],
}
FULL_DISK: Sequence[Card] = [Card("full-disk", "postgres", hold=(5.0, 9.0))]
KAFKA_PAUSES: Sequence[Card] = [Card("pause", "kafka", 3, hold=(4.0, 14.0))]
SMOKE: Mapping[str, Sequence[Card]] = {
    "processes": [Card("kill", "api-1", hold=(0.0, 0.5), wait=(0.0, 1.0))],
    "servers": [
        Card("kill", "kafka", hold=(0.0, 1.0), wait=(0.0, 1.0)),
        Card("network", "postgres", hold=(0.5, 1.0), wait=(0.0, 1.0), detail={"weather": "reset"}),
    ],
    "platform": [
        Card("platform", "platform", hold=(1.0, 2.0), wait=(0.0, 1.0), detail={"applyThenFail": "half"})
    ],
}
