"""Fakes of what stands around the delivery rules: a topic, a ledger, a platform, a dead-letter topic."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kits.kafka.errors import StaleAssignmentError
from kits.kafka.records import IncomingRecord, TopicPartition
from tests.unit.worker.events import TOPIC, Sample
from worker.delivery.event import Event, read_event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.locked import decide_again
from worker.delivery.ports import DeadLettersUnavailableError, LedgerUnavailableError
from worker.delivery.seq import Block, OrderState
from worker.delivery.storm_guard import Trip
from worker.delivery.stuck import Case
from worker.delivery.verdicts import Kept, Known, Recorded, Status, Verdict

ACCEPTED = Answer(AnswerKind.STATUS, status=202)
REFUSED = Answer(AnswerKind.STATUS, status=422, reason="no such product")
AWAY = Answer(AnswerKind.STATUS, status=503)


@dataclass
class Row:
    """One event in the ledger."""

    status: Status
    verdict: Verdict
    attempts: int = 0
    next_attempt_at: float | None = None


class InMemoryLedger:
    """worker.delivery.ports.Ledger; must pass the same contract suite as the SQL one."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderState] = {}
        self.rows: dict[str, Row] = {}
        self.partitions: dict[TopicPartition, int] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.away = False

    async def first_offsets(self) -> dict[TopicPartition, int]:
        await self._round_trip()
        return dict(self.partitions)

    async def add_partitions(self, first_offsets: Mapping[TopicPartition, int]) -> None:
        await self._round_trip()
        self.partitions = dict(first_offsets) | self.partitions

    async def look_up(self, order_ids: Collection[str], event_ids: Collection[str]) -> Known:
        await self._round_trip()
        orders = {name: self._copy(name) for name in order_ids if name in self.orders}
        return Known(orders, {event_id for event_id in event_ids if event_id in self.rows})

    async def record(self, verdicts: Sequence[Verdict]) -> Recorded:
        await self._round_trip()
        touched = {v.event.order_id for v in verdicts if v.event.order_id}
        states = {name: self._copy(name) for name in touched}
        holding, undecided = decide_again(verdicts, states)
        for verdict in holding:
            self._write(verdict)
        told: dict[str, OrderState] = {}
        for name in touched:
            was_blocked = self.orders.get(name, OrderState()).blocked
            self.orders[name] = OrderState(states[name].last_seq, self._cause(name))
            only_delivered = all(v.status is Status.DELIVERED for v in verdicts if v.event.order_id == name)
            if was_blocked or not only_delivered:
                told[name] = self._copy(name)
        return Recorded(told, undecided)

    async def resumable(self, partitions: Collection[TopicPartition], *, limit: int) -> list[Kept]:
        await self._round_trip()
        found: list[Kept] = []
        now = asyncio.get_running_loop().time()
        for row in self.rows.values():
            if row.next_attempt_at is not None and row.next_attempt_at <= now:
                event = row.verdict.event
                found.append(
                    Kept(
                        event.record,
                        is_parked=True,
                        attempts=row.attempts,
                        first_failed_at=event.first_failed_at,
                    )
                )
        for name, state in sorted(self.orders.items()):
            if state.blocked is not Block.GAP or self.leased_until(name) > time():
                continue
            turn = state.last_seq + 1
            for row in self._held(name):
                event = row.verdict.event
                if (event.seq or 0) <= turn:
                    found.append(Kept(event.record))
                    turn = (event.seq or 0) + 1
        return [kept for kept in found if kept.record.topic_partition in partitions][:limit]

    def leased_until(self, order_id: str) -> float:
        """When the lease of an order runs out, on the loop's clock."""
        return self.leases.get(order_id, ("", 0.0))[1]

    def open_rows(self, case: Case) -> list[Row]:
        """What is dead or held, by number, unknown ones first."""
        rows = [
            row
            for event_id, row in self.rows.items()
            if row.status in {Status.DEAD, Status.HELD, Status.RETRYING}
            and row.verdict.event.order_id == case.order_id
            and case.event_id in {None, event_id}
        ]
        return sorted(rows, key=lambda row: row.verdict.event.seq or 0)

    def status(self, sample: Sample) -> str | None:
        """What the ledger says about an event."""
        row = self.rows.get(sample.event_id)
        return row.status.value if row else None

    def _write(self, verdict: Verdict) -> None:
        row = self.rows.get(verdict.event.event_id)
        replaces = row is None or (
            (row.status in {Status.HELD, Status.RETRYING} and verdict.status is not Status.HELD)
            or (
                row.status is Status.DEAD
                and verdict.status in {Status.DEAD, Status.DELIVERED, Status.SKIPPED}
            )
        )
        if replaces:
            wait = verdict.retry_in_seconds
            due = None if wait is None else asyncio.get_running_loop().time() + wait
            attempts = max(verdict.event.attempts, row.attempts if row else 0)
            self.rows[verdict.event.event_id] = Row(verdict.status, verdict, attempts, due)

    def _held(self, order_id: str) -> list[Row]:
        rows = [
            row
            for row in self.rows.values()
            if row.verdict.event.order_id == order_id and row.status is Status.HELD
        ]
        return sorted(rows, key=lambda row: row.verdict.event.seq or 0)

    def _cause(self, order_id: str) -> Block | None:
        statuses = {row.status for row in self.rows.values() if row.verdict.event.order_id == order_id}
        if Status.DEAD in statuses:
            return Block.DEAD
        return Block.GAP if statuses & {Status.HELD, Status.RETRYING} else None

    def _copy(self, name: str) -> OrderState:
        state = self.orders.get(name, OrderState())
        return OrderState(state.last_seq, state.blocked)

    async def _round_trip(self) -> None:
        await asyncio.sleep(0.002)
        if self.away:
            raise LedgerUnavailableError("away, as the test says")


class InMemoryStorms:
    """worker.delivery.ports.Storms in memory; `release` is what the command does."""

    def __init__(self) -> None:
        self.stands = False
        self.tripped_at = datetime(2026, 11, 21, tzinfo=UTC)
        self.event_ids: set[str] = set()

    async def last(self) -> Trip | None:
        await asyncio.sleep(0.002)
        if not self.event_ids:
            return None
        return Trip(
            self.tripped_at, not self.stands, frozenset() if self.stands else frozenset(self.event_ids)
        )

    async def trip(self, event_ids: Collection[str]) -> None:
        await asyncio.sleep(0.002)
        self.event_ids = set(event_ids) | (self.event_ids if self.stands else set())
        self.stands = True

    def release(self) -> None:
        """Let the group go on."""
        self.stands = False


def time() -> float:
    """The loop's clock, seconds."""
    return asyncio.get_running_loop().time()


class ScriptedPlatform:
    """worker.delivery.ports.Platform: answers as `rule` (per event) and `batch_rule` (per call) say."""

    def __init__(self, rng: random.Random, *, batch_size: int = 1) -> None:
        self.batch_size = batch_size
        self.rule: Callable[[Event], Answer] = lambda _: ACCEPTED
        self.batch_rule: Callable[[Sequence[Event]], Answer | None] = lambda _: None
        self.longest_call_seconds = 0.02
        self.arrived: list[tuple[str, int]] = []
        self.keys: list[str] = []
        self.calls: list[tuple[float, int, bool]] = []
        self.called: list[list[str]] = []
        self.on_arrival: Callable[[Event], None] = lambda _: None
        self.in_flight: set[str] = set()
        self.violations: list[str] = []
        self._rng = rng

    async def send(self, event: Event) -> Answer:
        await self._travel([event], batch=False)
        answer = self.rule(event)
        if answer.kind is AnswerKind.STATUS and 200 <= answer.status < 300:
            self._arrive(event)
        return answer

    async def send_batch(self, events: Sequence[Event]) -> list[Answer]:
        await self._travel(events, batch=True)
        if (answer := self.batch_rule(events)) is not None:
            return [answer] * len(events)
        return [self._in_batch(event) for event in events]

    def first_arrivals(self, order_id: str) -> list[int]:
        """The numbers of an order in the order of their first arrival."""
        return list(dict.fromkeys(seq for order, seq in self.arrived if order == order_id))

    def _in_batch(self, event: Event) -> Answer:
        answer = self.rule(event)
        if answer.status == 422:
            return Answer(AnswerKind.RESULT, batch=True, result="rejected", reason=answer.reason)
        if not 200 <= answer.status < 300:
            return Answer(AnswerKind.RESULT, batch=True, result="retry")
        self._arrive(event)
        return Answer(AnswerKind.RESULT, batch=True, result="accepted")

    async def _travel(self, events: Sequence[Event], *, batch: bool) -> None:
        orders = [event.order_id or "" for event in events]
        if len(set(orders)) < len(orders):
            self.violations.append(f"two events of one order in one call: {orders}")
        if self.in_flight & set(orders):
            self.violations.append(f"two events of one order at a time: {self.in_flight & set(orders)}")
        self.in_flight |= set(orders)
        self.called.append(orders)
        self.calls.append((asyncio.get_running_loop().time(), len(events), batch))
        try:
            await asyncio.sleep(self._rng.uniform(0.001, self.longest_call_seconds))
        finally:
            self.in_flight -= set(orders)

    def _arrive(self, event: Event) -> None:
        self.on_arrival(event)
        self.arrived.append((event.order_id or "", event.seq or 0))
        self.keys.append(event.event_id)


class ListedDeadLetters:
    """worker.delivery.ports.DeadLetters as a list."""

    def __init__(self) -> None:
        self.copies: list[Verdict] = []
        self.away = False

    async def copy(self, verdicts: Sequence[Verdict]) -> None:
        await asyncio.sleep(0.001)
        if self.away:
            raise DeadLettersUnavailableError("away, as the test says")
        self.copies += verdicts


@dataclass
class Log:
    """A topic and what the group has committed."""

    records: dict[TopicPartition, list[IncomingRecord]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    written: list[Sample] = field(default_factory=list)
    on_commit: Callable[["LogSource", Mapping[TopicPartition, int]], None] = lambda *_: None

    def append(self, samples: Iterable[Sample], *, partitions: int = 1) -> None:
        """Write events, every order into the partition of its key."""
        for sample in samples:
            at = TopicPartition(TOPIC, sum(sample.order_id.encode()) % partitions)
            offset = self.starts.get(at, 0) + len(self.records[at])
            self.records[at].append(sample.incoming(offset, partition=at.partition))
            self.written.append(sample)

    def samples(self, prefix: str) -> list[Sample]:
        """What was written of orders whose names begin so."""
        return [sample for sample in self.written if sample.order_id.startswith(prefix)]

    def end(self, at: TopicPartition) -> int:
        """The offset that the next record will get."""
        return self.starts.get(at, 0) + len(self.records[at])


class LogSource:
    """worker.delivery.ports.Source over a Log; the test assigns and revokes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.epoch = 0
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.paused: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.most_handed_out = 0

    async def poll(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]:
        await asyncio.sleep(0.005)
        found: dict[TopicPartition, list[IncomingRecord]] = {}
        for at in sorted(self.assigned - self.paused):
            if at not in self.positions:
                continue
            begin = self.positions[at] - self._log.starts.get(at, 0)
            records = self._log.records[at][begin : begin + max_records]
            if records:
                found[at] = records
                self.positions[at] = records[-1].offset + 1
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self.assigned:
            raise StaleAssignmentError("not assigned")
        self.positions[partition] = offset

    async def commit(
        self, offsets: Mapping[TopicPartition, int], *, epoch: int, within_seconds: float
    ) -> None:
        await asyncio.sleep(0.002)
        if epoch != self.epoch or not set(offsets) <= self.assigned:
            raise StaleAssignmentError("the epoch has ended")
        for at, offset in offsets.items():
            assert offset >= self._log.committed.get(at, 0), "an offset went back"
            self._log.committed[at] = offset
        self._log.on_commit(self, offsets)

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        await asyncio.sleep(0.002)
        return {at: self._log.committed.get(at) for at in partitions}

    async def log_start(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(0.002)
        return {at: self._log.starts.get(at, 0) for at in partitions}


class WallClock:
    """Wall time that follows the loop's clock."""

    def now(self) -> datetime:
        begin = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
        return begin + timedelta(seconds=asyncio.get_running_loop().time())


class Notes:
    """worker.delivery.ports.Observer that remembers the names and arguments of what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*given: Any, **named: Any) -> None:
            self.told.append((name, given, named))

        return note

    def names(self) -> list[str]:
        """What was told, in order."""
        return [name for name, _, _ in self.told]


def an_event(sample: Sample, *, epoch: int = 1, offset: int | None = None) -> Event:
    """The event as the loop would read it."""
    return read_event(sample.incoming(offset), epoch=epoch)
