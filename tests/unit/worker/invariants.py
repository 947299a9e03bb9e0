"""What must hold at every moment, checked at each effect that the loops under test have on the world."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from kits.kafka.records import TopicPartition
from tests.unit.worker.fakes import InMemoryLedger, ListedDeadLetters, Log
from worker.delivery.event import Event
from worker.delivery.verdicts import Status, Verdict

STORM_LIMIT = 10
NOTICE_SECONDS = 8.0
PROBE_SECONDS = 4.0
_PROBES = 6


class BrokenPromiseError(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Knows the truth about every event, which the code under test does not."""

    def __init__(self, ledger: InMemoryLedger, log: Log, dead_letters: ListedDeadLetters) -> None:
        self._ledger = ledger
        self._log = log
        self._dead_letters = dead_letters
        self._arrived: dict[str, int] = defaultdict(int)
        self._begun: dict[Event, tuple[object, float]] = {}
        self._settled: dict[str, tuple[object, float]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._probes: dict[object, list[str]] = defaultdict(list)
        self.poison: set[str] = set()
        self.lonely: set[str] = set()
        self.spends_nothing = False
        """No event may ever spend an attempt, unless it fails alone."""
        self.death_attempts = 0
        self.death_age = timedelta()
        self.away_since: float | None = None
        self.stands_since: float | None = None
        self._noticed: dict[tuple[object, float], float] = {}
        self._dead: set[str] = set()
        self._broken = ""
        self.released = False

    def must(self, holds: bool, what: str) -> None:
        """Raise unless it holds, and again at the next verify(): the code under test survives bugs."""
        if not holds:
            self._broken = self._broken or what
            raise BrokenPromiseError(what)

    def verify(self) -> None:
        """Raise if something did not hold."""
        if self._broken:
            raise BrokenPromiseError(self._broken)

    def called(
        self, member: object, events: Sequence[Event], assigned: Collection[TopicPartition], in_flight: int
    ) -> None:
        """A member begins a call while others of it are in flight."""
        now = asyncio.get_running_loop().time()
        for event in events:
            order, seq = event.order_id or "", event.seq or 0
            name = f"{order}/{seq}"
            self.must(event.record.topic_partition in assigned, f"{name} was sent by one who does not own it")
            self.must(seq <= self._arrived[order] + 1, f"{name} was sent before what is before it")
            _, begun_at = self._begun.setdefault(event, (member, now))
            by, settled_at = self._settled.get(event.event_id, (member, math.inf))
            # What another member has settled since then, a member that tries again cannot know.
            self.must(
                now < settled_at or (by is not member and begun_at < settled_at), f"{name} was sent again"
            )
        standing = self.stands_since is not None and now - self.stands_since > NOTICE_SECONDS
        self.must(not standing, "a call in a storm")
        self._probe(member, events, now, in_flight)

    def arrived(self, event: Event) -> None:
        """The platform takes an event."""
        order, seq = event.order_id or "", event.seq or 0
        self.must(seq <= self._arrived[order] + 1, f"{order}/{seq} arrived before what is before it")
        self._arrived[order] = max(self._arrived[order], seq)

    def first_arrivals(self, order: str) -> int:
        """How many events of an order have arrived."""
        return self._arrived[order]

    def recorded(self, verdicts: Sequence[Verdict], before: Mapping[str, Status]) -> None:
        """Verdicts were written; `before` are the statuses that their rows had."""
        copied = {copy.event.event_id for copy in self._dead_letters.copies}
        for verdict in verdicts:
            event = verdict.event
            row = self._ledger.rows.get(event.event_id)
            if row is None or before.get(event.event_id) is row.status:
                continue
            if row.status in {Status.DELIVERED, Status.DEAD}:
                by, _ = self._begun.get(event, (None, 0.0))
                self._settled[event.event_id] = (by, asyncio.get_running_loop().time())
            self._check_attempts(event, row.attempts)
            if row.status is Status.DEAD:
                self.must(event.event_id in copied, f"{event.order_id}/{event.seq} is dead without a copy")
                self._check_dead(event)
            if row.status is Status.HELD:
                last_seq = self._ledger.orders[event.order_id or ""].last_seq
                self.must(
                    (event.seq or 0) > last_seq + 1, f"{event.order_id}/{event.seq} is held for nothing"
                )

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Offsets are committed: everything below them is settled in the ledger."""
        for at, offset in offsets.items():
            begin = self._committed.get(at, 0)
            for record in self._log.records[at][begin:offset]:
                headers = dict(record.headers)
                event_id, order = headers["ce_id"].decode(), headers["ce_subject"].decode()
                state = self._ledger.orders.get(order)
                seen = state is not None and int(headers["order_seq"]) <= state.last_seq
                self.must(
                    event_id in self._ledger.rows or seen, f"{order} at {record.offset} was lost by a commit"
                )
            self._committed[at] = max(begin, offset)

    def tripped(self, event_ids: Collection[str]) -> None:
        """The storm guard stops the group."""
        bad = self.poison | self.lonely
        self.must(set(event_ids) <= bad, "the storm guard stopped a good event")
        self.must(len(bad) > STORM_LIMIT, f"a storm with {len(bad)} bad events in all")

    def _check_attempts(self, event: Event, attempts: int) -> None:
        if self.spends_nothing and event.event_id not in self.poison | self.lonely:
            self.must(attempts == 0, f"{event.order_id}/{event.seq} has spent an attempt in an outage")

    def _check_dead(self, event: Event) -> None:
        name = f"{event.order_id}/{event.seq}"
        self._dead.add(event.event_id)
        self.must(self.released or len(self._dead) <= STORM_LIMIT, "the 11th dead letter was written")
        if event.event_id in self.poison:
            return
        self.must(event.event_id in self.lonely, f"{name} died and was good")
        self.must(event.attempts >= self.death_attempts, f"{name} died after {event.attempts} attempts")
        age = (event.last_failed_at or event.first_failed_at) - event.first_failed_at  # type: ignore[operator]
        self.must(age >= self.death_age, f"{name} died after {age}")

    def _probe(self, member: object, events: Sequence[Event], now: float, in_flight: int) -> None:
        probes = self._probes[member]
        if self.away_since is None:
            return
        # A member that has begun just now, or could not begin before, has to find out first.
        noticed = self._noticed.setdefault((member, self.away_since), now)
        if now - noticed < PROBE_SECONDS:
            probes.clear()
            return
        if self.spends_nothing:
            self.must(len(events) == 1, "a batch as a probe")
            self.must(in_flight == 0, "more than one probe at a time")
        probes.append(events[0].order_id or "")

    def checked_probes(self, member: object, orders: int) -> None:
        """An outage has ended: the probes went through the orders that there were."""
        probes = self._probes[member][-_PROBES:]
        if len(probes) == _PROBES and orders >= _PROBES:
            self.must(len(set(probes)) >= _PROBES / 2, f"the probes are always {set(probes)}")
