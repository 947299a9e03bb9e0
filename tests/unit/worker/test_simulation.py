"""Seeded runs of the whole loop: faults, rebalances, crashes and gaps at random moments, then invariants."""

import asyncio
import random

import pytest

from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import ACCEPTED, AWAY, REFUSED
from tests.unit.worker.group import Group, Member
from tests.unit.worker.virtual_time import run_virtually
from worker.delivery.calls import CallLimits
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.intake import IntakeLimits
from worker.delivery.loop import Limits
from worker.delivery.seq import Block

PARTITIONS = 3
TROUBLES = (
    AWAY,
    Answer(AnswerKind.STATUS, status=500),
    Answer(AnswerKind.STATUS, status=429, retry_after_seconds=2),
    Answer(AnswerKind.TIMEOUT),
    Answer(AnswerKind.UNREACHABLE),
    Answer(AnswerKind.BUG),
)


class Run:
    """One seeded campaign."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311
        limits = Limits(
            calls=CallLimits(batch_calls=2, single_calls=self.rng.randint(1, 8)),
            intake=IntakeLimits(records=self.rng.randint(3, 40), poll_records=self.rng.randint(1, 20)),
            gap_wait_seconds=5.0,
        )
        batch_size = self.rng.choice([1, 7])
        self.group = Group(seed, partitions=PARTITIONS, batch_size=batch_size, limits=limits)
        self.orders = {f"o-{number}": an_order(f"o-{number}") for number in range(12)}
        self.poison = {
            event.event_id for order in self.orders.values() for event in order if self.chance(0.05)
        }
        self.trouble = 0.0
        self.over = False
        self.group.platform.rule = self.answer
        self.group.platform.longest_call_seconds = self.rng.choice([0.02, 0.5, 4.0])

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def answer(self, event: Event) -> Answer:
        if self.chance(self.trouble):
            return self.rng.choice(TROUBLES)
        return REFUSED if event.event_id in self.poison else ACCEPTED

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
            self.group.log.append([event] * (2 if self.chance(0.1) else 1), partitions=PARTITIONS)
            if self.chance(0.2):
                await asyncio.sleep(self.rng.uniform(0, 3))
        await asyncio.sleep(self.rng.uniform(0, 12))
        self.group.log.append(late, partitions=PARTITIONS)

    async def disturb(self) -> None:
        """Change something now and then, until the end of the disturbances."""
        while not self.over:
            await asyncio.sleep(self.rng.uniform(0.1, 4))
            what = self.rng.choice(
                ["trouble", "calm", "ledger", "dead letters", "rebalance", "crash", "stop"]
            )
            if what == "trouble":
                self.trouble = self.rng.choice([0.2, 0.9, 1.0])
            elif what == "calm":
                self.trouble = 0.0
            elif what == "ledger":
                self.group.ledger.away = not self.group.ledger.away
            elif what == "dead letters":
                self.group.dead_letters.away = not self.group.dead_letters.away
            else:
                await self.change_members(what)

    async def change_members(self, what: str) -> None:
        group = self.group
        if what == "rebalance" and len(group.members) < 3:
            group.members.append(Member(group))
        elif what != "rebalance" and len(group.members) > 1:
            member = group.members.pop(self.rng.randrange(len(group.members)))
            await (member.crash() if what == "crash" else member.stop())
        await group.rebalance()

    async def campaign(self) -> None:
        group = self.group
        await group.join()
        disturbing = asyncio.create_task(self.disturb())
        await self.write()
        await asyncio.sleep(20)
        self.over = True
        await disturbing
        self.trouble = 0.0
        group.ledger.away = group.dead_letters.away = False
        await group.rebalance()
        await group.finish(within_seconds=300)
        await asyncio.sleep(60)
        self.check()
        for member in group.members:
            await member.stop()

    def check(self) -> None:
        """The promises: in order, nothing lost, only poison is dead, and it holds its own order alone."""
        for order_id, events in self.orders.items():
            dead = [event.seq for event in events if event.event_id in self.poison]
            expected = [event.seq for event in events if not dead or event.seq < dead[0]]
            assert self.group.platform.first_arrivals(order_id) == expected, order_id
            statuses = [self.group.ledger.status(event) for event in events]
            behind = len(events) - len(expected) - 1
            assert statuses == ["delivered"] * len(expected) + (["dead"] + ["held"] * behind if dead else [])
            blocked = self.group.ledger.orders[order_id].blocked
            assert blocked is (Block.DEAD if dead else None)
        assert not self.group.platform.violations
        copied = {copy.event.event_id for copy in self.group.dead_letters.copies}
        assert copied <= self.poison


@pytest.mark.parametrize("seed", range(60))
def test_the_promises_hold_whatever_happens_when(seed: int) -> None:
    """Each seed is one plan of faults; it repeats itself exactly."""
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    run_virtually(Run(seed).campaign())
