"""Renewals keep the sender sending, with every lease that the settings allow."""

import asyncio
from types import SimpleNamespace

import pytest

from app.metrics import AppMetrics
from app.outbox import write_back
from app.outbox.write_back import WriteBack
from kits.observability.metrics import Metrics
from tests.builders import a_message
from tests.unit.outbox.in_memory import InMemoryOutbox, InMemoryTransaction
from tests.virtual_time import run_virtually


class DistantOutbox(InMemoryOutbox):
    """Every statement takes half a second."""

    async def ask(self) -> None:
        await asyncio.sleep(0.25)

    async def answer(self) -> None:
        await asyncio.sleep(0.25)


@pytest.mark.parametrize("lease_seconds", [5.0, 10.0, 300.0])
def test_the_deadline_of_a_process_that_is_well_never_passes(
    lease_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long Kafka takes, while the database answers."""

    async def life() -> None:
        clock = asyncio.get_running_loop().time
        monkeypatch.setattr(write_back, "time", SimpleNamespace(monotonic=clock))
        store = DistantOutbox(lease_seconds=lease_seconds, clock=clock)
        keeper = WriteBack(store, AppMetrics(Metrics()), lease_seconds=lease_seconds)
        transaction = InMemoryTransaction(store)
        await transaction.add([a_message()], claimed=True)
        await transaction.commit()
        (claim,) = transaction.claimed()
        keeper.hold(claim)
        running = asyncio.create_task(keeper.run())
        while clock() < 4 * lease_seconds:
            await asyncio.sleep(0.1)
            assert not claim.deadline.passed(clock())
        running.cancel()

    run_virtually(life())
