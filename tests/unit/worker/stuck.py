"""Stuck orders under virtual time: the operator's side of the in-memory ledger."""

import asyncio
import random
from dataclasses import replace
from itertools import count

from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import (
    InMemoryLedger,
    ListedDeadLetters,
    Row,
    ScriptedPlatform,
    WallClock,
    an_event,
    time,
)
from worker.delivery.case_work import CaseWork, Result
from worker.delivery.event import failure, read_event
from worker.delivery.giving_up import GivesUp
from worker.delivery.operator_actions import Action, Tools
from worker.delivery.redrive import Redrive
from worker.delivery.seq import OrderState
from worker.delivery.single_calls import SingleCalls
from worker.delivery.stuck import (
    LEASE_SECONDS,
    Case,
    GivingUp,
    Head,
    Lease,
    Note,
    OpenEvent,
    Standing,
    StuckEvent,
    Wanted,
)
from worker.delivery.verdicts import Status, Verdict

_tokens = count()
REJECTED = failure("rejected", "http_422", "no such product")
GAP = failure("gap", "gap", "an earlier number is missing")
NOTE = Note("kim", "redrive", "the product exists now")


class InMemoryStuckOrders:
    """worker.delivery.stuck.StuckOrders on an InMemoryLedger; passes the contract suite of the SQL one."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        self._ledger = ledger
        self.notes: list[tuple[Case, Note]] = []
        self.is_killed = False
        """Its command was killed: nothing more is given back."""

    async def listed(self, wanted: Wanted) -> list[StuckEvent]:
        await self._ledger._round_trip()
        return [_stuck_event(row) for row in self._fitting(wanted)][: wanted.limit]

    async def cases(self, wanted: Wanted) -> list[Case]:
        await self._ledger._round_trip()
        found = [
            Case(event.order_id, None if event.order_id else event.event_id)
            for event in (row.verdict.event for row in self._fitting(wanted))
        ]
        return list(dict.fromkeys(found))[: wanted.limit]

    async def take(self, case: Case, note: Note | None) -> Lease | None:
        await self._ledger._round_trip()
        lease = Lease(case, str(next(_tokens)))
        if case.order_id is not None:
            if self._ledger.leased_until(case.order_id) > time():
                return None
            self._ledger.leases[case.order_id] = (lease.token, time() + LEASE_SECONDS)
        if note is not None:
            self.notes.append((case, note))
        return lease

    async def renew(self, lease: Lease) -> bool:
        await self._ledger._round_trip()
        return self._holds(lease)

    async def release(self, lease: Lease) -> None:
        if self.is_killed:
            return
        await self._ledger._round_trip()
        if lease.case.order_id and self._holds(lease):
            del self._ledger.leases[lease.case.order_id]

    async def standing(self, case: Case) -> Standing:
        await self._ledger._round_trip()
        events = [
            OpenEvent(row.verdict.event.event_id, row.verdict.event.seq, row.status.value)
            for row in self._ledger.open_rows(case)
        ]
        return Standing(self._state(case).last_seq, tuple(events), case.order_id is not None)

    async def head(self, case: Case) -> Head | None:
        await self._ledger._round_trip()
        rows = self._ledger.open_rows(case)
        if not rows:
            return None
        kept = rows[0].verdict.event
        event = read_event(kept.record, epoch=0, from_ledger=True)
        event.attempts, event.first_failed_at = kept.attempts, kept.first_failed_at
        return Head(self._state(case).last_seq, event, rows[0].status is Status.DEAD)

    async def give_up(self, lease: Lease, decision: GivingUp, note: Note) -> bool:
        await self._ledger._round_trip()
        if not self._holds(lease):
            return False
        for row in self._ledger.open_rows(lease.case):
            if (event_id := row.verdict.event.event_id) in decision.event_ids:
                self._ledger.rows[event_id] = replace(row, status=decision.status)
        if order_id := lease.case.order_id:
            last_seq = max(self._state(lease.case).last_seq, decision.last_seq)
            self._ledger.orders[order_id] = OrderState(last_seq, self._ledger._cause(order_id))
        self.notes.append((lease.case, note))
        return True

    def _holds(self, lease: Lease) -> bool:
        order_id = lease.case.order_id
        if order_id is None:
            return True
        held = self._ledger.leases.get(order_id, ("", 0.0))[0] == lease.token
        if held:
            self._ledger.leases[order_id] = (lease.token, time() + LEASE_SECONDS)
        return held

    def _state(self, case: Case) -> OrderState:
        return self._ledger.orders.get(case.order_id or "", OrderState())

    def _fitting(self, wanted: Wanted) -> list[Row]:
        rows = [row for row in self._ledger.rows.values() if row.status in {Status.DEAD, Status.HELD}]
        return [row for row in rows if _fits(_stuck_event(row), wanted)]


class Operator:
    """Somebody with a terminal: carries actions out on a ledger, beside whatever else works on it."""

    def __init__(self, ledger: InMemoryLedger, platform: ScriptedPlatform | None = None) -> None:
        self.ledger = ledger
        self.platform = platform or ScriptedPlatform(random.Random(0))  # noqa: S311
        self.dead_letters = ListedDeadLetters()
        self.stuck = InMemoryStuckOrders(ledger)
        self.delivered = 0

    async def act(
        self,
        action: Action,
        wanted: Wanted | None = None,
        *,
        tells_platform: bool = True,
        per_second: float | None = None,
        stop: asyncio.Event | None = None,
    ) -> dict[str, str]:
        """Carry it out; why something is left, by order (or event, where the order is unknown)."""
        stop = stop or asyncio.Event()
        cases = await self.stuck.cases(wanted or Wanted())
        results: list[Result] = []
        work = CaseWork(self.stuck, stop=stop, on_result=results.append)
        done = await work.run(
            cases,
            action.bound(self._tools(stop, per_second, tells_platform=tells_platform), NOTE),
            NOTE if action.noted_at_start else None,
        )
        assert sorted(map(str, done)) == sorted(map(str, results))
        return {result.case.order_id or result.case.event_id or "": result.left for result in done}

    def _tools(self, stop: asyncio.Event, per_second: float | None, *, tells_platform: bool) -> Tools:
        calls = SingleCalls(self.platform, stop=stop, per_second=per_second, rng=random.Random(0))  # noqa: S311
        clock = WallClock()
        redrive = Redrive(
            stuck=self.stuck,
            ledger=self.ledger,
            dead_letters=self.dead_letters,
            clock=clock,
            calls=calls,
            on_delivered=self._count,
        )
        gives_up = GivesUp(
            stuck=self.stuck, calls=calls, clock=clock, group="test-group", tells_platform=tells_platform
        )
        return Tools(self.stuck, redrive, gives_up)

    def _count(self) -> None:
        self.delivered += 1


async def stuck_order(
    ledger: InMemoryLedger,
    order_id: str = "o-1",
    *,
    dead: int | None = 2,
    last_seq: int = 5,
    missing: int = 0,
) -> list[Sample]:
    """An order with its first event delivered, one dead, the rest held; or a gap instead of a dead one."""
    order = an_order(order_id, last_seq)
    await ledger.record([Verdict(an_event(order[0]), Status.DELIVERED)])
    if dead:
        event = an_event(order[dead - 1])
        event.attempts = 1
        await ledger.record([Verdict(event, Status.DEAD, REJECTED)])
    held = order[(dead or 1 + missing) :]
    await ledger.record([Verdict(an_event(each), Status.HELD, GAP) for each in held])
    return order


def _stuck_event(row: Row) -> StuckEvent:
    event, reason = row.verdict.event, row.verdict.failure
    return StuckEvent(
        order_id=event.order_id,
        event_id=event.event_id,
        seq=event.seq,
        event_type=event.event_type,
        status=row.status.value,
        error_class=reason.error_class if reason else None,
        code=reason.code if reason else None,
        message=reason.message if reason else None,
        attempts=event.attempts,
        first_failed_at=event.first_failed_at,
        last_failed_at=event.last_failed_at,
    )


def _fits(event: StuckEvent, wanted: Wanted) -> bool:
    asked = (wanted.order_id, wanted.event_id, wanted.error_class, wanted.event_type)
    has = (event.order_id, event.event_id, event.error_class, event.event_type)
    return all(one is None or one == other for one, other in zip(asked, has, strict=True))
