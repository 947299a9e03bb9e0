"""Seeded runs of a whole consumer group under virtual time: a plan of events and faults, and its outcome."""

import asyncio
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from kits.kafka.records import TopicPartition
from kits.resilience.retry import Backoff
from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import ACCEPTED, AWAY, REFUSED, InMemoryLedger, InMemoryStorms, LogSource
from tests.unit.worker.group import Group, Member
from tests.unit.worker.invariants import Invariants
from worker.delivery.calls import CallLimits
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.intake import IntakeLimits
from worker.delivery.loop import Limits
from worker.delivery.ports import Platform
from worker.delivery.seq import Block
from worker.delivery.triage import Patience
from worker.delivery.verdicts import Recorded, Verdict

PATIENCE = Patience(attempts=3, age=timedelta(seconds=15), waits=Backoff(1.0, 4.0))
OUTAGES = (
    AWAY,
    Answer(AnswerKind.STATUS, status=502),
    Answer(AnswerKind.STATUS, status=429, retry_after_seconds=2),
    Answer(AnswerKind.UNREACHABLE),
)
LONELY = (
    Answer(AnswerKind.STATUS, status=500),
    Answer(AnswerKind.STATUS, status=404),
    Answer(AnswerKind.TIMEOUT),
    Answer(AnswerKind.BROKEN),
    Answer(AnswerKind.BUG),
)
FAULTS = ("outage", "outage", "outage over", "ledger", "dead letters", "join", "crash", "stop")


class WatchedLedger(InMemoryLedger):
    """Tells the invariants what was written."""

    invariants: Invariants

    async def record(self, verdicts: Sequence[Verdict]) -> Recorded:
        before = {event_id: row.status for event_id, row in self.rows.items()}
        recorded = await super().record(verdicts)
        self.invariants.recorded(verdicts, before)
        return recorded


class WatchedStorms(InMemoryStorms):
    """Tells the invariants when the group stands."""

    invariants: Invariants

    async def trip(self, event_ids: Collection[str]) -> None:
        await super().trip(event_ids)
        self.invariants.tripped(event_ids)
        self.invariants.stands_since = asyncio.get_running_loop().time()


class WatchedPlatform:
    """The platform as one member reaches it."""

    def __init__(self, world: "World", member: Member) -> None:
        self._world = world
        self._member = member
        self.batch_size = world.platform.batch_size
        self._in_flight = 0

    async def send(self, event: Event) -> Answer:
        """See the port."""
        with self._watched([event]):
            return await self._world.platform.send(event)

    async def send_batch(self, events: Sequence[Event]) -> list[Answer]:
        """See the port."""
        with self._watched(events):
            return await self._world.platform.send_batch(events)

    @contextmanager
    def _watched(self, events: Sequence[Event]) -> Iterator[None]:
        assigned = self._member.source.assigned
        self._world.invariants.called(self._member, events, assigned, self._in_flight)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1


class World(Group):
    """A group whose every effect is checked, and the plan of its seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311
        calls = CallLimits(batch_calls=2, single_calls=self.rng.randint(2, 8), patience=PATIENCE)
        intake = IntakeLimits(self.rng.randint(5, 60), poll_records=self.rng.randint(1, 20), poll_ms=900)
        limits = Limits(calls=calls, intake=intake, gap_wait_seconds=4.0)
        super().__init__(seed, partitions=2, batch_size=self.rng.choice([1, 7]), limits=limits)
        self.ledger = WatchedLedger()
        self.storms = WatchedStorms()
        self.invariants = Invariants(self.ledger, self.log, self.dead_letters)
        self.ledger.invariants = self.storms.invariants = self.invariants
        self.invariants.death_attempts, self.invariants.death_age = PATIENCE.attempts, PATIENCE.age
        self.orders: dict[str, list[Sample]] = {}
        self.outages: Sequence[Answer] = OUTAGES
        self.outage: Answer | None = None
        self.lonely: dict[str, Answer] = {}
        self.platform.rule = self.answer
        self.platform.batch_rule = self.batch_answer
        self.platform.longest_call_seconds = self.rng.choice([0.02, 0.5, 3.0])
        self.platform.on_arrival = self.invariants.arrived
        self.log.on_commit = self.committed

    def chance(self, probability: float) -> bool:
        """A throw of the seed's dice."""
        return self.rng.random() < probability

    def make(self, orders: int, *, poison: float = 0.0, lonely: float = 0.0) -> None:
        """Plan orders of three events; some of the events are bad."""
        for number in range(orders):
            order = an_order(f"o-{number}", 3)
            self.orders[order[0].order_id] = order
            for event in order:
                if self.chance(poison):
                    self.invariants.poison.add(event.event_id)
                elif self.chance(lonely):
                    self.invariants.lonely.add(event.event_id)
                    self.lonely[event.event_id] = self.rng.choice(LONELY)

    def platform_of(self, member: Member) -> Platform:
        """Each member's calls are told apart."""
        return WatchedPlatform(self, member)

    def answer(self, event: Event) -> Answer:
        """What the platform says to one event."""
        if self.outage is not None:
            return self.outage
        if event.event_id in self.invariants.poison:
            return REFUSED
        return self.lonely.get(event.event_id, ACCEPTED)

    def batch_answer(self, events: Sequence[Event]) -> Answer | None:
        """An outage, or an event that makes its whole batch fail."""
        answer = self.outage or next(
            (self.lonely[each.event_id] for each in events if each.event_id in self.lonely), None
        )
        return None if answer is None else Answer(answer.kind, batch=True, status=answer.status or 0)

    def committed(self, source: LogSource, offsets: Mapping[TopicPartition, int]) -> None:
        """A member has committed."""
        self.invariants.must(set(offsets) <= source.assigned, "a commit by one who does not own it")
        self.invariants.committed(offsets)

    async def write(self) -> None:
        """Write all orders in pieces: mixed, some events twice, some late (so that there are gaps)."""
        waiting = [list(order) for order in self.orders.values()]
        late: list[Sample] = []
        while waiting:
            order = self.rng.choice(waiting)
            event = order.pop(0)
            if not order:
                waiting.remove(order)
            if self.chance(0.05):
                late.append(event)
                continue
            self.log.append([event] * (2 if self.chance(0.1) else 1), partitions=2)
            if self.chance(0.2):
                await asyncio.sleep(self.rng.uniform(0, 2))
        await asyncio.sleep(self.rng.uniform(0, 8))
        self.log.append(late, partitions=2)

    async def disturb(self, count: int) -> None:
        """So many faults, each a while after the other; at the end everything works."""
        for _ in range(count):
            await asyncio.sleep(self.rng.uniform(0.1, 4))
            await self.fault(self.rng.choice(FAULTS))
        if self.outage is not None:
            await asyncio.sleep(self.rng.choice([0, 30]))
        self.end_outage()
        self.ledger.away = self.dead_letters.away = False
        await self.rebalance()

    async def fault(self, what: str) -> None:
        """One fault."""
        if what == "outage":
            self.outage = self.rng.choice(self.outages)
            self.invariants.away_since = asyncio.get_running_loop().time()
        elif what == "outage over":
            self.end_outage()
        elif what == "ledger":
            self.ledger.away = not self.ledger.away
        elif what == "dead letters":
            self.dead_letters.away = not self.dead_letters.away
        else:
            await self.change_members(what)

    def end_outage(self) -> None:
        """The platform is back."""
        for member in self.members:
            if self.invariants.away_since is not None:
                self.invariants.checked_probes(member, member.loop.driver.calls.heads)
        self.outage = self.invariants.away_since = None

    async def change_members(self, what: str) -> None:
        """One more, or one less."""
        if what == "join" and len(self.members) < 3:
            self.members.append(Member(self))
        elif what != "join" and len(self.members) > 1:
            member = self.members.pop(self.rng.randrange(len(self.members)))
            await (member.crash() if what == "crash" else member.stop())
        await self.rebalance()

    async def traffic(self) -> None:
        """Other orders come in all the time: they show who fails alone."""
        number = 0
        while True:
            number += 1
            self.log.append([Sample(f"traffic-{number}")], partitions=2)
            await asyncio.sleep(2.0)

    async def settled(self, *, within_seconds: float = 200.0) -> None:
        """Wait until every planned event is delivered, dead, held or parked, and its offset is committed."""
        ends = {at: self.log.end(at) for at in self.partitions}
        async with asyncio.timeout(within_seconds):
            while any(self.log.committed.get(at, 0) < end for at, end in ends.items()):
                for member in self.members:
                    if member.task.done():
                        member.task.result()
                self.invariants.verify()
                await asyncio.sleep(1.0)

    async def all_decided(self, *, within_seconds: float = 400.0) -> None:
        """Wait until every planned event is delivered, dead or held behind a dead one."""
        async with asyncio.timeout(within_seconds):
            while not all(self.is_decided(events) for events in self.orders.values()):
                self.invariants.verify()
                await asyncio.sleep(2.0)

    def is_decided(self, events: Sequence[Sample]) -> bool:
        """Whether nothing more will happen to this order."""
        statuses = [self.ledger.status(event) for event in events]
        return "dead" in statuses or statuses == ["delivered"] * len(events)

    def check_end(self) -> None:
        """In order, nothing lost, only bad events are dead, each holds its own order alone."""
        self.invariants.verify()
        for order_id, events in self.orders.items():
            statuses = [self.ledger.status(event) for event in events]
            good = statuses.index("dead") if "dead" in statuses else len(events)
            self.invariants.must(
                self.invariants.first_arrivals(order_id) == good, f"{order_id}: {good} delivered?"
            )
            behind = ["dead"] + ["held"] * (len(events) - good - 1) if good < len(events) else []
            self.invariants.must(statuses == ["delivered"] * good + behind, f"{order_id} is {statuses}")
            blocked = self.ledger.orders[order_id].blocked
            self.invariants.must(
                blocked is (Block.DEAD if behind else None), f"{order_id} is blocked by {blocked}"
            )
            if behind:
                self.invariants.must(
                    events[good].event_id in self.invariants.poison | self.invariants.lonely, "good, but dead"
                )
        self.invariants.must(not self.platform.violations, str(self.platform.violations[:1]))

    async def end(self) -> None:
        """Stop all members."""
        for member in self.members:
            await member.stop()
