"""What must hold at every step of the outbox, checked at each effect that the processes have on the world."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from app.outbox.claim import SAFETY_SECONDS, Claim
from kits.kafka.records import Deadline
from tests.unit.outbox.in_memory import Row

_RENEWED_LATE_SECONDS = 1.0


class BrokenPromiseError(AssertionError):
    """An invariant does not hold."""


class Process(Protocol):
    """What the invariants know of an API process."""

    @property
    def is_alive(self) -> bool:
        """Not crashed and not stopped."""
        ...

    @property
    def calm_since(self) -> float:
        """Since when it was not frozen and all its statements were answered."""
        ...

    @property
    def kafka_is_silent(self) -> bool:
        """By its own producer's numbers: what was sent is not answered, or too much waits."""
        ...

    @property
    def breaker_is_open(self) -> bool:
        """What it thinks itself."""
        ...

    @property
    def held(self) -> int:
        """Rows that it has claimed and not settled."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether it may hold more rows."""
        ...


class Invariants:
    """Knows the truth about every event, which the code under test does not."""

    def __init__(self, rows: Mapping[str, Row], *, lease_seconds: float) -> None:
        self._rows = rows
        self._lease_seconds = lease_seconds
        self._owners: dict[Claim, Process] = {}
        self._in_log: set[str] = set()
        self._may_repeat: set[str] = set()
        self.arrived: dict[str, int] = defaultdict(int)
        """How many events of each order have arrived, first arrivals alone."""
        self._broken = ""

    def must(self, holds: bool, what: str) -> None:
        """Raise unless it holds, and again at the next verify(): the code under test survives bugs."""
        if not holds:
            self._broken = self._broken or what
            raise BrokenPromiseError(what)

    def verify(self) -> None:
        """Raise if something did not hold."""
        if self._broken:
            raise BrokenPromiseError(self._broken)

    def born(self, process: Process, *, claimed: bool) -> None:
        """A transaction asks for rows of its own."""
        self.must(not (claimed and process.kafka_is_silent), "born claimed while Kafka does not answer")
        self.must(not claimed or process.has_room, "born claimed by one who holds too many")

    def claiming(self, process: Process, limit: int) -> None:
        """A relay asks for heads."""
        self.must(not process.kafka_is_silent, "a relay claims while Kafka does not answer")
        is_probe = limit == 1 and process.held == 0
        self.must(is_probe or not process.breaker_is_open, "more than one probe while the breaker is open")

    def granted(self, process: Process, row: Row, claim: Claim) -> None:
        """A row is given to a process, at birth or to a relay."""
        name, now = _name(row), _now()
        self.must(row.lease_until is None or row.lease_until < now, f"two live leases on {name}")
        self.must(row.published_at is None, f"{name} is claimed though it is published")
        self.must(row.dead_at is None, f"{name} is claimed though it is dead")
        seq, order = row.message.seq, row.message.aggregate_id
        self.must(self.arrived[order] >= seq - 1, f"{name} is claimed and is no head")
        if row.claim is not None and row.lease_until is not None:
            granted_at = row.lease_until - self._lease_seconds
            self._must_be_troubled(self._owners[row.claim], granted_at, f"{name} was lost")
            self._may_repeat.add(row.message.event_id)
        self._owners[claim] = process

    def handed_over(self, process: Process, event_id: str, deadline: Deadline) -> None:
        """A record leaves a process for Kafka: it must be sure that nobody else may send it now."""
        self.must(event_id in self._rows, "an event was sent that no transaction has committed")
        row = self._rows[event_id]
        name, claim = _name(row), row.claim
        self.must(claim is not None and self._owners[claim] is process, f"{name} is sent by a stranger")
        self.must(claim is not None and claim.deadline is deadline, f"{name} is sent for a claim of before")
        lease_until = row.lease_until or 0.0
        self.must(_now() < lease_until - SAFETY_SECONDS, f"{name} is sent too late")
        before = row.message.seq - 1
        self.must(
            self.arrived[row.message.aggregate_id] >= before, f"{name} is sent before what is before it"
        )

    def deadline_passed(self, process: Process, deadline: Deadline) -> None:
        """A process gives up what it could not send in time."""
        renewed_at = deadline.not_after - self._lease_seconds + SAFETY_SECONDS
        self._must_be_troubled(process, renewed_at, "an event was given up")

    def answered(self, process: Process) -> None:
        """A process has heard of an acknowledgement."""
        closed = not process.breaker_is_open or process.kafka_is_silent
        self.must(closed, "the breaker is open though Kafka answers")

    def session_replaced(self, event_ids: Sequence[str]) -> None:
        """Nobody knows of these records whether they have arrived."""
        self._may_repeat.update(event_ids)

    def on_arrival(self, event_id: str) -> None:
        """The log takes a record."""
        row = self._rows[event_id]
        name, order, seq = _name(row), row.message.aggregate_id, row.message.seq
        self.must(seq <= self.arrived[order] + 1, f"{name} arrived before what is before it")
        repeat = event_id in self._in_log
        self.must(not repeat or event_id in self._may_repeat, f"{name} is in the log twice for nothing")
        self._in_log.add(event_id)
        self.arrived[order] = max(self.arrived[order], seq)

    def settled(self, row: Row, claim: Claim, *, published: bool) -> None:
        """A process writes what it knows of a row."""
        name = _name(row)
        self.must(row.claim is claim and row.token is not None, f"{name} is written by one who has lost it")
        self.must(
            not published or row.message.event_id in self._in_log, f"{name} is published, not in the log"
        )

    def _must_be_troubled(self, process: Process, since: float, what: str) -> None:
        """Renewals come in time, unless something kept the process from them."""
        calm = process.is_alive and process.calm_since < since - _RENEWED_LATE_SECONDS
        self.must(not calm, f"{what} by a process that nothing had happened to")


def _name(row: Row) -> str:
    return f"{row.message.aggregate_id}/{row.message.seq}"


def _now() -> float:
    return asyncio.get_running_loop().time()
