"""The engine by itself: what a simulation meets too seldom."""

import asyncio

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import DONE, Claim, Item, Predecessor, Result
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.relay import Relay
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker
from tests.unit.ordered_queue.in_memory import InMemoryTable
from tests.unit.ordered_queue.in_memory_store import InMemoryStore
from tests.unit.ordered_queue.process import LoopClock

LEASE = Lease(10.0)
FIRST = Item("a.1", "a", 1, b"{}")


class Sink:
    """Keeps what was sent, and answers at once."""

    oldest_seconds = 0.0

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        self.sent.append(claim.nth)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        future.set_result(DONE)
        return future


async def test_what_is_known_as_done_is_written_and_not_sent_again() -> None:
    """It was sent under a claim that ran out before the table was told, and the table gave it here again."""
    clock, sink = LoopClock(), Sink()
    table = InMemoryTable(clock, gaps=False)
    store = InMemoryStore(table, token="me", lease=LEASE, clock=clock)
    counts = QueueMetrics(Metrics()).of("test")
    write_back, breaker = WriteBack(store, LEASE, clock, counts), Breaker(clock)
    queue = OrderedQueue(
        lanes=Lanes(max_items=10, max_bytes=1000),
        sink=sink,
        write_back=write_back,
        relay=Relay(store, write_back, breaker),
        breaker=breaker,
        retry=RetryPolicy(),
        clock=clock,
        counts=counts,
    )
    table.insert(FIRST, is_first=True, why=Predecessor.DONE, token="me", lease=LEASE)
    queue.offer([Claim(FIRST, 1, Predecessor.DONE, LEASE.until(clock.now()))])
    await asyncio.sleep(0)
    table.rows[FIRST.id].lease_until = -1.0
    looked = await store.claim(limit=10, max_bytes=1000)
    assert [claim.nth for claim in looked.claims] == [2]
    queue.offer(looked.claims)
    await write_back.flush(within_seconds=5.0)
    assert sink.sent == [1]
    assert table.rows[FIRST.id].done_at is not None
    assert queue.held == 0
