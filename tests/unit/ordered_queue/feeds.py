"""How items come into the table: from transactions in commit order, or from a topic in two partitions."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from kits.ordered_queue.item import Item
from kits.ordered_queue.ports import StoreUnavailableError
from tests.unit.ordered_queue.process import Around, Process, lasting

_GOES_BACK = 5


class Feed(Protocol):
    """Where the items of a run come from."""

    produced: dict[str, Item]

    async def produce(self, pick: Callable[[], Process]) -> None:
        """Make all of them, one after the other, whatever breaks."""
        ...

    def take_part(self, process: Process) -> None:
        """A new process works for this feed."""
        ...

    def disturb(self, processes: Sequence[Process]) -> None:
        """Something that only this feed knows happens."""
        ...

    def is_read(self) -> bool:
        """Whether everything is in the table."""
        ...

    def may_come_again(self) -> set[str]:
        """The items that retention must keep, since they may be read again."""
        ...

    def position(self) -> list[int]:
        """What a backup of the table holds beside the rows."""
        ...

    def restore(self, position: list[int]) -> None:
        """The table is what it was when it was backed up."""
        ...


class Transactions:
    """Numbers in commit order: the outbox. A run of up to three is one transaction."""

    def __init__(self, around: Around, keys: Sequence[str], numbers: int) -> None:
        self._around = around
        self._keys = keys
        self._limit = numbers
        self.produced: dict[str, Item] = {}

    async def produce(self, pick: Callable[[], Process]) -> None:
        """See Feed."""
        rng = self._around.rng
        while True:
            open_keys = [key for key in self._keys if self._number(key) < self._limit]
            if open_keys:
                key = rng.choice(open_keys)
                count = min(rng.choice([1, 1, 2, 3]), self._limit - self._number(key))
                await self._transaction(pick, key, count)
            await lasting(rng.choice([0.0, 0.05, 0.4]) if open_keys else 0.5)

    def take_part(self, process: Process) -> None:
        """Any process may be asked."""

    def disturb(self, processes: Sequence[Process]) -> None:
        """Nothing of its own."""

    def is_read(self) -> bool:
        """See Feed."""
        return all(self._number(key) >= self._limit for key in self._keys)

    def may_come_again(self) -> set[str]:
        """None: a transaction is over."""
        return set()

    def position(self) -> list[int]:
        """Nothing but the table."""
        return []

    def restore(self, position: list[int]) -> None:
        """What the table has lost was never produced."""
        self.produced = {key: item for key, item in self.produced.items() if key in self._around.table.rows}

    def _number(self, key: str) -> int:
        return self._around.table.highest(key)

    async def _transaction(self, pick: Callable[[], Process], key: str, count: int) -> None:
        first, generation = self._number(key) + 1, self._around.generation
        items = [self._around.an_item(key, number) for number in range(first, first + count)]
        while items[0].id not in self._around.table.rows and generation == self._around.generation:
            process = pick()
            rolls_back = self._around.rng.random() < 0.1
            try:
                async with asyncio.timeout(8.0):
                    claims = await process.store.enqueue(
                        items,
                        {item.id for item in items if item.number == 1},
                        claimed=process.queue.accepts(),
                        commit=lambda: not rolls_back and self._committed(items),  # noqa: B023
                    )
            except (StoreUnavailableError, TimeoutError):
                await asyncio.sleep(0.5)
            else:
                if items[0].id in self._around.table.rows:
                    process.begin(lambda p=process, c=claims: p.offer(c))  # type: ignore[misc]

    def _committed(self, items: Sequence[Item]) -> bool:
        if self._number(items[0].key) >= items[0].number:
            return False
        self.produced |= {item.id: item for item in items}
        return True


class Topic:
    """Two partitions with repeats, whose positions stand in the table's own transaction: the inbox."""

    def __init__(self, around: Around, keys: Sequence[str], numbers: int) -> None:
        self._around = around
        self._numbers = dict.fromkeys(keys, 0)
        self._limit = numbers
        self.produced: dict[str, Item] = {}
        self._logs: list[list[Item]] = [[], []]
        self._owners: list[Process | None] = [None, None]
        self.next_offset = [0, 0]
        self._furthest = [0, 0]
        self._log_start = [0, 0]
        self._backed_up = [1000, 1000]

    async def produce(self, pick: Callable[[], Process]) -> None:
        """See Feed."""
        rng = self._around.rng
        while open_keys := [key for key, number in self._numbers.items() if number < self._limit]:
            key = rng.choice(open_keys)
            self._numbers[key] += 1
            item = self._around.an_item(key, self._numbers[key])
            self.produced[item.id] = item
            log = self._logs[int(key[1:]) % 2]
            log.append(item)
            if len(log) - 1 > self._furthest[int(key[1:]) % 2] and rng.random() < 0.1:
                # A number that comes late: those behind it wait.
                log[-2:] = reversed(log[-2:])
            if rng.random() < 0.15:
                log.append(rng.choice(log))
            await lasting(rng.choice([0.0, 0.05, 0.4]))

    def take_part(self, process: Process) -> None:
        """A member of the group."""
        process.begin(lambda: self._receive(process))

    def disturb(self, processes: Sequence[Process]) -> None:
        """A partition moves; its former owner may not know yet, and the new one may begin further back."""
        partition = self._around.rng.randrange(2)
        self._owners[partition] = self._around.rng.choice(processes)
        back = self._around.rng.choice([0, 0, 1, _GOES_BACK])
        self.next_offset[partition] = max(self._log_start[partition], self.next_offset[partition] - back)

    def is_read(self) -> bool:
        """See Feed."""
        ended = all(number >= self._limit for number in self._numbers.values())
        return ended and all(at >= len(log) for at, log in zip(self.next_offset, self._logs, strict=True))

    def may_come_again(self) -> set[str]:
        """What lies behind the furthest point to which reading may go back."""
        for partition, start in enumerate(self._log_start):
            safe = min(self.next_offset[partition], self._backed_up[partition]) - _GOES_BACK
            self._log_start[partition] = max(start, safe)
        logs = zip(self._logs, self._log_start, strict=True)
        return {item.id for log, start in logs for item in log[start:]}

    def position(self) -> list[int]:
        """Where reading goes on."""
        self._backed_up = list(self.next_offset)
        return list(self.next_offset)

    def restore(self, position: list[int]) -> None:
        """What was read since is read again."""
        self.next_offset = list(position)

    async def _receive(self, process: Process) -> None:
        position: dict[int, int] = {}
        while process.is_alive:
            await process.running.wait()
            has_read = False
            for partition in (0, 1):
                owner = self._owners[partition]
                if owner is None or not owner.is_alive:
                    self._owners[partition] = process
                if self._owners[partition] is not process:
                    position.pop(partition, None)
                    continue
                has_read |= await self._poll(process, partition, position)
            await asyncio.sleep(self._around.rng.choice([0.05, 0.2]) if has_read else 0.8)

    async def _poll(self, process: Process, partition: int, position: dict[int, int]) -> bool:
        """Whether there was something to read."""
        if not self._around.database_is_up or process.queue.is_full:
            return False
        start = position.setdefault(partition, self.next_offset[partition])
        records = self._logs[partition][start : start + self._around.rng.randint(1, 4)]
        self._furthest[partition] = max(self._furthest[partition], start + len(records))
        if not records:
            if start != self.next_offset[partition]:
                del position[partition]
            return False

        def moved() -> bool:
            if self.next_offset[partition] != start:
                return False
            self.next_offset[partition] = start + len(records)
            return True

        firsts = {item.id for item in records if item.number == 1}
        try:
            claims = await process.store.enqueue(
                records, firsts, claimed=process.queue.accepts(), commit=moved
            )
        except StoreUnavailableError:
            del position[partition]
            return True
        if self.next_offset[partition] < start + len(records):
            position.pop(partition, None)
        else:
            position[partition] = start + len(records)
        await process.offer(claims)
        return True


def a_feed(around: Around, rng: random.Random) -> Feed:
    """One of the two, as the table has it."""
    keys = [f"k{number}" for number in range(rng.randint(2, 4))]
    kind = Topic if around.table.gaps else Transactions
    return kind(around, keys, rng.randint(3, 5))
