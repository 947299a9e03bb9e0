"""A consumer group under virtual time: members that share a log, a ledger and a platform."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from kits.kafka.records import TopicPartition
from tests.unit.worker.events import TOPIC
from tests.unit.worker.fakes import (
    InMemoryLedger,
    InMemoryStorms,
    ListedDeadLetters,
    Log,
    LogSource,
    Notes,
    ScriptedPlatform,
    WallClock,
)
from worker.delivery.loop import Collaborators, DeliveryLoop, Limits
from worker.delivery.ports import Platform


class Member:
    """One worker of the group."""

    def __init__(self, group: "Group") -> None:
        self.notes = Notes()
        self.source = LogSource(group.log)
        given = Collaborators(
            source=self.source,
            ledger=group.ledger,
            storms=group.storms,
            platform=group.platform_of(self),
            dead_letters=group.dead_letters,
            clock=WallClock(),
            observer=self.notes,
        )
        self.loop = DeliveryLoop(given, limits=group.limits, rng=random.Random(group.seed))  # noqa: S311
        self.task = asyncio.create_task(self.loop.run())

    async def revoke(self) -> None:
        """Take all partitions away, as the group coordinator does before a rebalance."""
        await self.loop.on_revoked(self.source.assigned)
        self.source.assigned = frozenset()
        self.source.positions.clear()

    async def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Begin a new epoch with these partitions."""
        self.source.epoch += 1
        self.source.assigned = frozenset(partitions)
        await self.loop.on_assigned(self.source.epoch, self.source.assigned)

    async def stop(self) -> None:
        """Drain and end, as after SIGTERM."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def crash(self) -> None:
        """End at once: nothing more is sent, recorded or committed."""
        tasks = [*self.loop.driver.calls._tasks, self.task]
        self.loop.driver.calls.drop_queued()
        self.loop._limits = Limits(calls_end_seconds=0, ledger_end_seconds=0, commit_end_seconds=0)
        self.source.epoch = -1
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Group:
    """Everything that the members share."""

    def __init__(
        self, seed: int = 0, *, partitions: int = 1, batch_size: int = 1, limits: Limits | None = None
    ):
        self.seed = seed
        self.partitions = [TopicPartition(TOPIC, number) for number in range(partitions)]
        self.log = Log()
        self.ledger = InMemoryLedger()
        self.storms = InMemoryStorms()
        self.platform = ScriptedPlatform(random.Random(seed), batch_size=batch_size)  # noqa: S311
        self.dead_letters = ListedDeadLetters()
        self.limits = limits or Limits()
        self.members: list[Member] = []

    @asynccontextmanager
    async def member(self) -> AsyncIterator[Member]:
        """A member that has all partitions, drained at the end."""
        member = await self.join()
        try:
            yield member
        finally:
            await member.stop()

    async def join(self) -> Member:
        """Add a member and rebalance."""
        member = Member(self)
        self.members.append(member)
        await self.rebalance()
        return member

    async def rebalance(self) -> None:
        """Revoke everything from everybody, then share it out again."""
        for member in self.members:
            await member.revoke()
        count = len(self.members)
        for place, member in enumerate(self.members):
            await member.assign(self.partitions[place::count])

    def platform_of(self, member: Member) -> Platform:
        """The platform as this member reaches it."""
        return self.platform

    def is_finished(self) -> bool:
        """Whether everything written has been committed."""
        return all(self.log.committed.get(at) == self.log.end(at) for at in self.partitions)

    async def finish(self, *, within_seconds: float = 600.0) -> None:
        """Wait until everything written has been committed."""
        await until(self.is_finished, within_seconds=within_seconds)


async def until(condition: Callable[[], bool], *, within_seconds: float = 600.0) -> None:
    """Wait, under virtual time, for a condition."""
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110 - polling costs nothing here
            await asyncio.sleep(0.05)
