"""Seeded runs of several processes with one queue under virtual time: faults at any moment."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from structlog.testing import capture_logs

from kits.ordered_queue import queue
from kits.ordered_queue.item import Item
from kits.process import background
from kits.resilience import retry
from tests.unit.ordered_queue.feeds import Topic, a_feed
from tests.unit.ordered_queue.in_memory import InMemoryTable, Row
from tests.unit.ordered_queue.invariants import BrokenPromiseError, Invariants
from tests.unit.ordered_queue.process import LEASE, Around, LoopClock, Process
from tests.virtual_time import run_virtually

TURNS = 60_000
RETENTION_SECONDS = 4.0
SETTLED_WITHIN_SECONDS = 120.0
FAULTS = (
    *("sink",) * 3,
    *("database",) * 3,
    *("answers",) * 2,
    *("freeze",) * 3,
    *("crash",) * 2,
    *("operator",) * 4,
    *("feed",) * 2,
    "stop",
    "replay",
    *("give up",) * 2,
    *("retention",) * 2,
    "backup",
    "fail-over",
)


class World:
    """Two or three processes, one table, one sink, and the plan of a seed."""

    def __init__(self, rng: random.Random, *, gaps: bool) -> None:
        self.rng = rng
        self.table = InMemoryTable(LoopClock(), gaps=gaps)
        self.invariants = Invariants()
        self.around = Around(
            rng, self.table, self.invariants, stalls=rng.random() < 0.3, poisons=rng.choice([0.0, 0.1, 0.3])
        )
        self.feed = a_feed(self.around, rng)
        self.around.sink_answers.set()
        self._max_items = rng.choice([1, 2, 6, 1000])
        self._backup: tuple[list[Row], list[int]] | None = None
        self._others: list[asyncio.Task[None]] = []
        self._notices = 0
        self.processes: list[Process] = []
        for _ in range(rng.randint(2, 3)):
            self._start()

    async def run(self) -> None:
        """Produce while things break; then everything must end by itself."""
        producing = asyncio.create_task(self.feed.produce(lambda: self.rng.choice(self.processes)))
        try:
            await self._break_things()
            self._recover()
            async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
                while not self._is_over() and not self.invariants.broken:
                    self._operate()
                    await asyncio.sleep(0.5)
        except TimeoutError:
            if self.invariants.broken:
                raise self.invariants.broken from None
            open_rows = [row for row in self.table.rows.values() if not row.is_over]
            raise BrokenPromiseError(f"never ends: {open_rows}") from None
        finally:
            producing.cancel()
            await self._end()
        if self.invariants.broken:
            raise self.invariants.broken
        self._check_end()

    async def _break_things(self) -> None:
        for _ in range(self.rng.randint(6, 14)):
            await asyncio.sleep(self.rng.choice([0.05, 0.4, 1.5, 1.5, 6.0]))
            if self.invariants.broken:
                return
            self._fault(self.rng.choice(FAULTS))

    def _fault(self, what: str) -> None:
        around = self.around
        match what:
            case "sink":
                self._sink(is_up=not around.sink_is_up)
            case "database":
                around.database_is_up = not around.database_is_up
            case "answers":
                around.loses_answers = self.rng.choice([0.0, 0.3])
            case "freeze":
                process = self.rng.choice(self.processes)
                self._meanwhile(process.freeze(self.rng.uniform(0.5, 2 * LEASE.seconds)))
            case "crash" | "stop":
                process = self.processes.pop(self.rng.randrange(len(self.processes)))
                self._meanwhile(process.crash() if what == "crash" else process.stop())
                self._start()
            case "feed":
                self.feed.disturb(self.processes)
            case "retention":
                kept = self.feed.may_come_again()
                self.table.delete_old(older_than_seconds=RETENTION_SECONDS, keeps=kept)
                if self.rng.random() < 0.5:
                    self._replay()
            case _ if around.database_is_up:
                self._state_change(what)

    def _state_change(self, what: str) -> None:
        rows = list(self.table.rows.values())
        match what:
            case "operator":
                self._operate()
            case "replay":
                self._replay()
            case "give up":
                self._give_up([row for row in rows if self.table.may_be_given_up(row)])
            case "backup":
                self._backup = self.table.backup(), self.feed.position()
            case "fail-over" if self._backup is not None:
                self.table.restore(self._backup[0])
                self.feed.restore(self._backup[1])
                self.around.generation += 1
                self.invariants.forgets = True

    def _replay(self) -> None:
        again = [row.item.id for row in self.table.rows.values() if row.is_over and self.rng.random() < 0.5]
        self.invariants.settled.difference_update(self.table.replay(again).changed)

    def _operate(self) -> None:
        dead = [row for row in self.table.rows.values() if row.dead_at is not None and not row.is_over]
        if not dead:
            return
        row = self.rng.choice(dead)
        if self.rng.random() < 0.5 or row.item.id.startswith("notice"):
            self.around.poison.discard(row.item.id)
            self.table.redrive([row.item.id])
        else:
            self._give_up([row])

    def _give_up(self, rows: list[Row]) -> None:
        rows = [row for row in rows if not row.item.id.startswith("notice")]
        if rows:
            self._notices += 1
            # What somebody holds together with the next one is the hard case, if it may be given up at all.
            held = [row for row in rows if row.token and self._is_held(row.item.key, row.item.number + 1)]
            item = self.rng.choice(held or rows).item
            self.table.give_up([item.id], [Item(f"notice-{self._notices}", item.key, item.number, b"{}")])

    def _is_held(self, key: str, number: int) -> bool:
        row = self.table.at(key, number)
        return row is not None and row.token is not None

    def _recover(self) -> None:
        self._sink(is_up=True)
        self.around.database_is_up = True
        self.around.loses_answers = 0.0
        self.around.poison.clear()
        self.around.poisons = 0.0
        if isinstance(self.feed, Topic):
            self.feed.disturb(self.processes)

    def _sink(self, *, is_up: bool) -> None:
        self.around.sink_is_up = is_up
        if is_up:
            self.around.sink_answers.set()
        else:
            self.around.sink_answers.clear()

    def _is_over(self) -> bool:
        held = any(process.queue.held for process in self.processes)
        return self.feed.is_read() and not held and all(row.is_over for row in self.table.rows.values())

    def _check_end(self) -> None:
        for item in self.feed.produced.values():
            if not self.invariants.has_number(item.key, item.number):
                raise BrokenPromiseError(f"{item.id} is lost")

    def _start(self) -> None:
        process = Process(self.around, max_items=self._max_items)
        self.processes.append(process)
        self.feed.take_part(process)

    def _meanwhile(self, event: object) -> None:
        self._others.append(asyncio.create_task(event))  # type: ignore[arg-type]

    async def _end(self) -> None:
        for task in self._others:
            task.cancel()
        for process in self.processes:
            process.running.set()
            await process.crash()


def run(seed: int) -> None:
    """One run; it repeats itself exactly.

    Raises:
        BrokenPromiseError: a promise does not hold, or something never ends.
    """

    async def campaign() -> None:
        rng = random.Random(seed)  # noqa: S311
        with _seeded(rng):
            await World(rng, gaps=seed % 2 == 0).run()

    with capture_logs():
        run_virtually(campaign(), turns_allowed=TURNS)


@contextmanager
def _seeded(rng: random.Random) -> Iterator[None]:
    with (
        patch.object(background, "random", rng),
        patch.object(retry, "random", rng),
        patch.object(queue, "_LOOK_SECONDS", 1.0),
    ):
        yield
