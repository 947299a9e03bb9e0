"""Renewals keep the sender sending, with every lease that the settings allow."""

import asyncio
from collections.abc import Sequence

import pytest

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Claim, Item, Predecessor
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.write_back import WriteBack
from tests.unit.ordered_queue.in_memory import InMemoryTable
from tests.unit.ordered_queue.in_memory_store import InMemoryStore
from tests.virtual_time import run_virtually


class LoopTime:
    """The clock of the virtual loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


class DistantStore(InMemoryStore):
    """A renewal takes half a second."""

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        await asyncio.sleep(0.25)
        mine = await super().renew(claims)
        await asyncio.sleep(0.25)
        return mine


@pytest.mark.parametrize("lease_seconds", [5.0, 10.0, 300.0])
def test_the_deadline_of_a_process_that_is_well_never_passes(lease_seconds: float) -> None:
    """However long its sink takes, while the database answers."""

    async def life() -> None:
        clock, lease = LoopTime(), Lease(lease_seconds)
        table = InMemoryTable(clock, gaps=False)
        item = Item("1", "a", 1, b"{}")
        table.insert(item, is_first=True, why=Predecessor.DONE, token="me", lease=lease)
        claim = Claim(item, 1, Predecessor.DONE, lease.until(clock.now()))
        store = DistantStore(table, token="me", lease=lease, clock=clock)
        keeper = WriteBack(store, lease, clock, QueueMetrics(Metrics()).of("parcels"))
        keeper.hold(claim)

        async def write() -> None:
            while True:
                await keeper.rounds()

        running = asyncio.create_task(write())
        while clock.now() < 4 * lease_seconds:
            await asyncio.sleep(0.1)
            assert not claim.passed(clock.now())
        running.cancel()

    run_virtually(life())
