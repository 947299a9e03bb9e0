"""The engine by itself: what a simulation meets too seldom."""

import asyncio

import pytest

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import DONE, Claim, Item, Predecessor, Result
from kits.ordered_queue.lane import MAX_RUN_BYTES, Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.ports import Looked
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker
from tests.unit.ordered_queue.in_memory import InMemoryTable
from tests.unit.ordered_queue.in_memory_store import InMemoryStore
from tests.unit.ordered_queue.process import LoopClock

LEASE = Lease(10.0)
FIRST = Item("a.1", "a", 1, b"{}")


def test_one_key_never_takes_the_room_of_all() -> None:
    """A lane takes so many bytes behind what is on its way; each item may exceed it alone."""
    lanes = Lanes(max_items=100, max_bytes=10 * MAX_RUN_BYTES)
    large = [Item(f"a.{n}", "a", n, b"x" * (MAX_RUN_BYTES + 1)) for n in range(1, 5)]
    first, second, third, fourth = (Claim(item, 1, Predecessor.OWN, 1.0) for item in large)
    first.predecessor = Predecessor.DONE
    assert lanes.take(first)
    assert not lanes.take(second), "one waits"
    assert lanes.next() is first
    assert lanes.take(second)
    assert not lanes.take(third)
    lanes.delivered(first)
    assert lanes.next() is second
    assert lanes.take(third)
    assert list(lanes.failed(second)) == [third]
    fourth.predecessor = Predecessor.DONE
    assert lanes.take(fourth)
    assert lanes.room_bytes == 9 * MAX_RUN_BYTES - 1


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


def a_queue(store: InMemoryStore, sink: Sink) -> OrderedQueue:
    """As a container does it."""
    counts = QueueMetrics(Metrics()).of("test")
    return OrderedQueue(
        lanes=Lanes(max_items=10, max_bytes=1000),
        sink=sink,
        store=store,
        write_back=WriteBack(store, LEASE, store.clock, counts),
        breaker=Breaker(store.clock),
        retry=RetryPolicy(),
        clock=store.clock,
        counts=counts,
    )


async def test_what_is_known_as_done_is_written_and_not_sent_again() -> None:
    """It was sent under a claim that ran out before the table was told, and the table gave it here again."""
    clock, sink = LoopClock(), Sink()
    table = InMemoryTable(clock, gaps=False)
    store = InMemoryStore(table, token="me", lease=LEASE, clock=clock)
    queue = a_queue(store, sink)
    table.insert(FIRST, is_first=True, why=Predecessor.DONE, token="me", lease=LEASE)
    queue.offer([Claim(FIRST, 1, Predecessor.DONE, LEASE.until(clock.now()))])
    await asyncio.sleep(0)
    table.rows[FIRST.id].lease_until = -1.0
    looked = await store.claim(limit=10, max_bytes=1000)
    assert [claim.nth for claim in looked.claims] == [2]
    queue.offer(looked.claims)
    await queue.write_back.flush(within_seconds=5.0)
    assert sink.sent == [1]
    assert table.rows[FIRST.id].done_at is not None
    assert queue.held == 0


class Looks(InMemoryStore):
    """Finds what it is told to find, one look after the other."""

    def __init__(self, *found: Looked) -> None:
        super().__init__(InMemoryTable(LoopClock(), gaps=True), token="me", lease=LEASE, clock=LoopClock())
        self._found = iter(found)

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        return next(self._found)


@pytest.mark.parametrize(
    ("looks", "is_behind"),
    [
        ([(True, False)], True),
        ([(False, True), (False, False)], False),
        ([(True, True), (False, True)], True),
        ([(True, True), (False, True), (False, False)], False),
    ],
    ids=["more-than-fits", "held-rows-alone", "more-than-fits-earlier-in-this-round", "a-round-later"],
)
async def test_who_fills_the_table_waits_for_what_may_go_and_not_for_held_rows(
    looks: list[tuple[bool, bool]], is_behind: bool
) -> None:
    """However many rows wait behind a dead one; a round is over when nothing lies behind a look."""
    store = Looks(*(Looked((), left=left, further=further) for left, further in looks))
    queue = a_queue(store, Sink())
    for _ in looks:
        await queue.look()
    assert queue.is_full is is_behind
