"""A running queue on an inbox's table, with a platform that a test steers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import DONE, Claim, Kind, Result
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker
from kits.resilience.clock import BootClock
from worker.inbox.group_state import GroupState
from worker.inbox.item import InboxItem
from worker.inbox.queue_table import inbox_queue
from worker.inbox.store import InboxStore

LEASE = Lease(6.0)
REFUSED = Result(Kind.REFUSED, "422", "no such field")


class Platform:
    """Takes what comes, but for what it `refuses`; `arrived` has order, number and whether it was marked."""

    oldest_seconds = 0.0

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.arrived: list[tuple[str, int, bool]] = []
        self.bodies: dict[tuple[str, int], bytes] = {}

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """Answer at once."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        item = claim.item
        assert isinstance(item, InboxItem)
        if item.id in self.refuses:
            answer.set_result(REFUSED)
        else:
            self.arrived.append((item.key, item.number, item.replayed))
            self.bodies[item.key, item.number] = item.payload
            answer.set_result(DONE)
        return answer

    def numbers(self, order_id: str) -> list[int]:
        """The numbers of an order as they arrived."""
        return [number for key, number, _ in self.arrived if key == order_id]


@asynccontextmanager
async def running_queue(engine: AsyncEngine, group: str, platform: Platform) -> AsyncIterator[OrderedQueue]:
    """A process of its own; several may run side by side."""
    clock = BootClock()
    counts = QueueMetrics(Metrics()).of(group)
    breaker = Breaker(clock)
    state = GroupState(engine, group, breaker, clock)
    store = InboxStore(
        engine, inbox_queue(group, engine), state, token=str(uuid.uuid4()), lease=LEASE, clock=clock
    )
    write_back = WriteBack(store, LEASE, clock, counts)
    queue = OrderedQueue(
        lanes=Lanes(max_items=1_000, max_bytes=10_000_000),
        sink=platform,
        store=store,
        write_back=write_back,
        breaker=breaker,
        retry=RetryPolicy(),
        clock=clock,
        counts=counts,
    )
    queue.start()
    try:
        yield queue
    finally:
        await queue.stop(within_seconds=5.0)
