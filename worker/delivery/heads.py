"""Delivery: the heads of lanes that wait for a call. Two queues, and those that wait for their time."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.delivery.event import Event
from worker.delivery.lanes import Lane
from worker.delivery.seq import Step, judge


@dataclass(slots=True, eq=False)
class Head:
    """The head of a lane on its way to the platform; `ticket` is its place among all that wait."""

    lane: Lane
    event: Event
    baseline: bool
    ticket: int = 0

    @property
    def is_overtaken(self) -> bool:
        """While it waited, the verdict of an epoch before was written: it is to be judged again."""
        state = self.lane.state
        if state is None:
            return False
        return judge(self.event.seq, state, baseline=self.baseline) not in {Step.NEXT, Step.BASELINE}


class Heads:
    """First come, first served; heads that may share a batch apart from those that go by single calls."""

    def __init__(self, *, batch_size: int, batch_bytes: int, on_ripe: Callable[[], None]) -> None:
        """Args: batch_size: 1 means single calls only; on_ripe: told when the wait of some has ended."""
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._on_ripe = on_ripe
        self._tickets = 0
        self._shared: deque[Head] = deque()
        self._alone: deque[Head] = deque()
        self._waiting: dict[Head, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """Those that could go now."""
        return len(self._shared) + len(self._alone)

    @property
    def count(self) -> int:
        """All, also those that wait for their time."""
        return len(self) + len(self._waiting)

    @property
    def has_shared(self) -> bool:
        """Some may share a batch."""
        return bool(self._shared)

    @property
    def has_alone(self) -> bool:
        """Some go by single calls."""
        return bool(self._alone)

    def add(self, head: Head) -> None:
        """Put a head at the end."""
        self._tickets += 1
        head.ticket = self._tickets
        (self._shared if self._batch_size > 1 and not head.event.alone else self._alone).append(head)

    def add_later(self, heads: Sequence[Head], seconds: float) -> None:
        """Put heads at the end after a while, together, so that they can share a batch again."""

        def ripe() -> None:
            for head in heads:
                if self._waiting.pop(head, None) is not None:
                    self.add(head)
            self._on_ripe()

        timer = asyncio.get_running_loop().call_later(seconds, ripe)
        self._waiting.update(dict.fromkeys(heads, timer))

    def withdraw(self, head: Head) -> None:
        """Take a head out, wherever it waits."""
        if self._waiting.pop(head, None) is None:
            for queue in (self._shared, self._alone):
                if head in queue:
                    queue.remove(head)

    def end_batches(self) -> bool:
        """Single calls from now on; False if that was so before."""
        if self._batch_size == 1:
            return False
        self._batch_size = 1
        self._alone.extend(self._shared)
        self._shared.clear()
        return True

    def take_single(self) -> Head:
        """The first of those that go alone."""
        return self._alone.popleft()

    def take_batch(self) -> list[Head]:
        """As many of those that share as fit into a batch."""
        heads = [self._shared.popleft()]
        size = heads[0].event.size
        while self._shared and len(heads) < self._batch_size:
            size += self._shared[0].event.size
            if size > self._batch_bytes:
                break
            heads.append(self._shared.popleft())
        return heads

    def take_first(self) -> Head:
        """The one that has waited longest: it was never tried, or all others were tried after it."""
        queues = [queue for queue in (self._alone, self._shared) if queue]
        return min(queues, key=lambda queue: queue[0].ticket).popleft()

    def clear(self) -> None:
        """Forget all."""
        self._shared.clear()
        self._alone.clear()
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
