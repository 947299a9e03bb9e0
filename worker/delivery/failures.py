"""Delivery: what an answer of the data platform means. The one place that decides it."""

from enum import Enum

import msgspec


class AnswerKind(Enum):
    """How a call ended."""

    STATUS = "an HTTP status"
    RESULT = "one event's result in a readable answer to a batch"
    NO_RESULT = "a readable answer to a batch that does not mention this event"
    UNREADABLE = "a 200 to a batch that cannot be understood"
    TIMEOUT = "no answer in time"
    UNREACHABLE = "no connection"
    BROKEN = "the connection broke while the answer was awaited"
    BUG = "an error of our own"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """How a call ended for one event; `batch` tells a batch from a single call."""

    kind: AnswerKind
    batch: bool = False
    status: int = 0
    result: str = ""
    reason: str = ""
    retry_after_seconds: float | None = None


class Outcome(Enum):
    """What follows from an answer."""

    DELIVERED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    """Refused for good: a dead letter."""
    BACK_PRESSURE = "back_pressure"
    OUTAGE = "outage"
    FAILING_ALONE = "failing_alone"
    """May be this event's own fault."""
    CONFIGURATION = "configuration"
    """Our address, path or token is wrong; or, while others succeed, it is this event's own fault."""
    ALONE = "alone"
    """The batch says nothing about this event: ask again by a single call."""
    NO_BATCH = "no_batch"
    """The platform has no batch path: single calls from now on."""


JUDGED = frozenset({Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.REJECTED})
"""The platform has spoken about the event itself."""
RETRIED = frozenset({Outcome.BACK_PRESSURE, Outcome.OUTAGE, Outcome.FAILING_ALONE, Outcome.CONFIGURATION})
"""The same call again, later."""
LONELY = frozenset({Outcome.FAILING_ALONE, Outcome.CONFIGURATION})
"""May be the event's own fault: it is if others succeed."""

_REFUSED = frozenset({400, 413, 415, 422})
_BACK_PRESSURE = frozenset({408, 425, 429})
_OUTAGE = frozenset({502, 503, 504})
_NO_BATCH = frozenset({404, 405, 501})
_RESULTS = {
    "accepted": Outcome.DELIVERED,
    "duplicate": Outcome.DUPLICATE,
    "rejected": Outcome.REJECTED,
}


def decide(answer: Answer) -> Outcome:
    """The meaning of one answer; total: every status, known or not, has one."""
    if answer.kind is AnswerKind.UNREACHABLE:
        return Outcome.OUTAGE
    if answer.kind is AnswerKind.STATUS:
        return _of_batch_status(answer.status) if answer.batch else _of_status(answer.status)
    if answer.kind is AnswerKind.RESULT:
        return _RESULTS.get(answer.result, Outcome.ALONE)
    return Outcome.ALONE if answer.batch else Outcome.FAILING_ALONE


def code_of(answer: Answer) -> str:
    """The stable code of a failed call, for the ledger, the dead letter and the log."""
    if answer.kind is AnswerKind.STATUS:
        return f"http_{answer.status}"
    if answer.kind is AnswerKind.RESULT:
        return f"batch_{answer.result}" if answer.result in _RESULTS else "batch_unknown_result"
    return answer.kind.name.lower()


def _of_status(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 409:
        return Outcome.DUPLICATE
    if status in _REFUSED:
        return Outcome.REJECTED
    waiting = _of_waiting(status)
    if waiting is not None:
        return waiting
    return Outcome.CONFIGURATION if 300 <= status < 500 else Outcome.FAILING_ALONE


def _of_batch_status(status: int) -> Outcome:
    if status in _NO_BATCH:
        return Outcome.NO_BATCH
    return _of_waiting(status) or Outcome.ALONE


def _of_waiting(status: int) -> Outcome | None:
    if status in _BACK_PRESSURE:
        return Outcome.BACK_PRESSURE
    return Outcome.OUTAGE if status in _OUTAGE else None
