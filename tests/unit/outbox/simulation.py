"""Seeded runs of several API processes under virtual time: orders, faults, and what must come out."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from structlog.testing import capture_logs

from app.outbox import write_back
from contracts.envelope import EventMessage
from kits.process import background
from tests.builders import a_message
from tests.unit.outbox.in_memory import Row
from tests.unit.outbox.invariants import Invariants
from tests.unit.outbox.kafka import Kafka
from tests.unit.outbox.process import ApiProcess, Database, Surroundings
from tests.virtual_time import run_virtually

TURNS = 60_000
FAULTS = (
    "kafka",
    "kafka",
    "kafka back",
    "rights",
    "session",
    "session",
    "database",
    "database",
    "answers",
    "freeze",
    "freeze",
    "both",
    "both",
    "crash",
    "stop",
)


class World:
    """Two or three API processes, one database, one Kafka, and the plan of a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.database = Database()
        lease_seconds = rng.choice([5.0, 7.0])
        self.invariants = Invariants(self.database.rows, lease_seconds=lease_seconds)
        self.kafka = Kafka(rng, self.invariants.on_arrival)
        self.around = Surroundings(
            rng,
            self.kafka,
            self.database,
            self.invariants,
            too_large=set(),
            lease_seconds=lease_seconds,
            max_pending=rng.choice([6, 1000]),
            max_held=rng.choice([4, 1000]),
        )
        self.orders = [f"o-{number}" for number in range(rng.randint(3, 8))]
        self._locks = {order: asyncio.Lock() for order in self.orders}
        self._poison = rng.choice([0.0, 0.0, 0.04])
        self._born = 0
        self._others: list[asyncio.Task[None]] = []
        self.processes = [ApiProcess(self.around) for _ in range(rng.randint(2, 3))]

    async def shop(self) -> None:
        """Transactions of one or two orders, one to three events each, at any process; some roll back."""
        for _ in range(self.rng.randint(8, 25)):
            orders = sorted(self.rng.sample(self.orders, self.rng.choice([1, 1, 2])))
            process = self.rng.choice(self.processes)
            process.begin(self._place(process, orders))
            await asyncio.sleep(self.rng.choice([0.0, 0.0, 0.2, 1.0]))

    async def disturb(self) -> None:
        """Some faults, one after the other."""
        for _ in range(self.rng.randint(0, 6)):
            await asyncio.sleep(self.rng.uniform(0.05, 2.5))
            self._fault(self.rng.choice(FAULTS))
        await asyncio.sleep(self.rng.choice([0.0, 3.0, 8.0]))

    async def freeze_in_an_outage(self) -> None:
        """One process loses what waits in its producer, wakes up, and Kafka is back a moment later."""
        self.kafka.leave()
        await self._place(self.processes[0], self.orders[:2])
        await asyncio.sleep(0.5)
        await self.processes[0].freeze(self.rng.uniform(1.1, 2.0) * self.around.lease_seconds)
        await asyncio.sleep(self.rng.uniform(0.0, 1.0))
        self.kafka.come_back()

    async def recover(self) -> None:
        """Everything works again, and every process that froze or stops has come through it."""
        if self.rng.random() < 0.5:
            await asyncio.gather(*self._others)
            await asyncio.sleep(self.rng.uniform(0.0, 1.0))
        self._reach_database()
        self.database.loses_answers = 0.0
        self.kafka.misconfigured = False
        self.kafka.come_back()
        await asyncio.gather(*self._others)

    async def settled(self, *, within_seconds: float = 60.0) -> None:
        """Wait until every event is published, dead, or behind a dead one, and nobody holds any."""
        async with asyncio.timeout(within_seconds):
            while self._waiting() or any(process.held for process in self.processes):
                self.invariants.verify()
                await asyncio.sleep(0.5)

    def check_end(self) -> None:
        """All that was committed is in the log; a dead event holds its order and no other."""
        self.invariants.verify()
        for order in self.orders:
            rows = self._rows_of(order)
            good = next((i for i, row in enumerate(rows) if self._is_bad(row)), len(rows))
            arrived = self.invariants.arrived[order]
            self.invariants.must(arrived == good, f"{order}: {arrived} of {good} arrived")
            for row in rows[:good]:
                self.invariants.must(row.published_at is not None, f"{order}: an event is not marked")
            for row in rows[good:]:
                self.invariants.must(row.published_at is None, f"{order} goes on behind a dead event")
            for row in rows[good : good + 1]:
                self.invariants.must(row.dead_at is not None, f"{order}: a bad event is not dead")
            for row in rows[good + 1 :]:
                self.invariants.must(row.dead_at is None and row.attempts == 0, f"{order} does not wait")

    async def end(self) -> None:
        """Stop all processes."""
        for process in self.processes:
            await process.crash()

    async def _place(self, process: ApiProcess, orders: list[str]) -> None:
        """The orders' own row locks are held from the reading of their numbers to the commit."""
        for order in orders:
            await self._locks[order].acquire()
        try:
            messages = [message for order in orders for message in self._next_events(order)]
            await process.commit(messages, rolls_back=self.rng.random() < 0.1)
        except ConnectionError:
            # The API's caller is told that the outcome is unknown; whether it was committed is in the table.
            pass
        finally:
            for order in orders:
                self._locks[order].release()

    def _next_events(self, order: str) -> Iterator[EventMessage]:
        first = len(self._rows_of(order)) + 1
        for seq in range(first, first + self.rng.choice([1, 1, 2, 3])):
            self._born += 1
            event_id = str(UUID(int=self._born))
            if self.rng.random() < self._poison:
                self.rng.choice([self.kafka.refused, self.around.too_large]).add(event_id)
            yield a_message(order, seq, event_id=event_id)

    def _fault(self, what: str) -> None:
        match what:
            case "kafka":
                self.kafka.leave()
            case "kafka back":
                self.kafka.come_back()
            case "rights":
                self.kafka.misconfigured = not self.kafka.misconfigured
            case "session":
                self.rng.choice(self.processes).producer.break_session()
            case "database" if self.database.away:
                self._reach_database()
            case "database":
                self.database.away = True
            case "answers":
                self.database.loses_answers = 0.3
            case "freeze" | "both":
                if what == "both":
                    self.kafka.leave()
                seconds = self.rng.uniform(0.5, 2 * self.around.lease_seconds)
                self._meanwhile(self.rng.choice(self.processes).freeze(seconds))
            case _:
                process = self.processes.pop(self.rng.randrange(len(self.processes)))
                self._meanwhile(process.crash() if what == "crash" else process.stop())
                self.processes.append(ApiProcess(self.around))

    def _meanwhile(self, event: Coroutine[Any, Any, None]) -> None:
        self._others.append(asyncio.create_task(event))

    def _reach_database(self) -> None:
        self.database.away = False
        self.database.trouble_at = asyncio.get_running_loop().time()

    def _rows_of(self, order: str) -> list[Row]:
        rows = [row for row in self.database.rows.values() if row.message.aggregate_id == order]
        return sorted(rows, key=lambda row: row.message.seq)

    def _is_bad(self, row: Row) -> bool:
        return row.message.event_id in self.kafka.refused | self.around.too_large

    def _waiting(self) -> bool:
        return any(
            row.published_at is None and row.dead_at is None and not self._is_held(row)
            for row in self.database.rows.values()
        )

    def _is_held(self, row: Row) -> bool:
        """Whether a bad event stands before it."""
        rows = self._rows_of(row.message.aggregate_id)[: row.message.seq - 1]
        return any(self._is_bad(before) and before.dead_at is not None for before in rows)


def run(seed: int) -> None:
    """One run; it repeats itself exactly. Raises BrokenPromiseError, or TimeoutError if nothing goes on."""

    async def campaign() -> None:
        rng = random.Random(seed)  # noqa: S311
        with _virtual(rng):
            world = World(rng)
            try:
                if seed % 5 == 4:
                    await world.freeze_in_an_outage()
                await asyncio.gather(world.shop(), world.disturb())
                await world.recover()
                await world.settled()
                world.check_end()
            finally:
                await world.end()

    with capture_logs():
        run_virtually(campaign(), turns_allowed=TURNS)


@contextmanager
def _virtual(rng: random.Random) -> Iterator[None]:
    """The code under test reads the loop's clock and throws the seed's dice."""
    clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
    with patch.object(write_back, "time", clock), patch.object(background, "random", rng):
        yield
