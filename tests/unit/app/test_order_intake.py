"""Group commit: who shares a transaction with whom, and what a caller gets when something breaks."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from msgspec.structs import replace

from app.application import order_intake
from app.application.batch_attempts import Outcome
from app.application.commands import CreateOrder, IdempotencyKey, ReplayedOrder
from app.application.errors import (
    IdempotencyKeyInUseError,
    IntakeFullError,
    LockWaitError,
    StorageBusyError,
    StorageUnavailableError,
)
from app.application.order_intake import OrderIntake
from app.domain.errors import UnknownProductError
from app.domain.order import Order
from tests.builders import a_command, an_order
from tests.waiting import eventually


class Transactions:
    """Transactions that end when the test says so; keeps the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[CreateOrder]] = []
        self.may_end = asyncio.Event()
        self.failure: Exception | None = None
        self.refused: set[str] = set()

    async def __call__(self, commands: Sequence[CreateOrder]) -> list[Outcome]:
        self.batches.append(list(commands))
        await self.may_end.wait()
        if self.failure:
            raise self.failure
        return [UnknownProductError("p-9") if c.order_id in self.refused else an_order() for c in commands]

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


@pytest.fixture(autouse=True)
def nothing_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the machine does something else: a transaction is stuck when a test says so."""
    monkeypatch.setattr(order_intake, "_SLOW_SECONDS", 3600.0)


async def arrive(intake: OrderIntake, *commands: CreateOrder) -> list[asyncio.Task[Order | ReplayedOrder]]:
    """Requests that arrive one after the other, each in a turn of the loop of its own."""
    tasks = []
    for command in commands:
        tasks.append(asyncio.create_task(intake.create_order(command)))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


def commands(count: int) -> list[CreateOrder]:
    """So many orders."""
    return [a_command() for _ in range(count)]


async def test_a_lone_order_is_not_delayed() -> None:
    """Its transaction begins in the next turn of the loop."""
    work = Transactions()
    (task,) = await arrive(OrderIntake(work), a_command())
    assert work.sizes == [1]
    work.may_end.set()
    assert isinstance(await task, Order)


async def test_orders_that_arrive_while_a_transaction_runs_share_the_next_one() -> None:
    """They gather behind it."""
    work = Transactions()
    tasks = await arrive(OrderIntake(work), *commands(8))
    assert work.sizes == [1]
    work.may_end.set()
    await asyncio.gather(*tasks)
    assert work.sizes == [1, 7]


async def test_a_second_transaction_begins_when_as_many_orders_wait_as_run() -> None:
    """Smaller ones beside a large one would cost more than they gain."""
    work = Transactions()
    intake = OrderIntake(work)
    burst = [asyncio.create_task(intake.create_order(command)) for command in commands(12)]
    await eventually(lambda: work.sizes == [12])
    later = await arrive(intake, *commands(11))
    assert work.sizes == [12]
    later += await arrive(intake, a_command())
    assert work.sizes == [12, 12]
    work.may_end.set()
    await asyncio.gather(*burst, *later)


async def test_a_burst_is_shared_by_the_transactions() -> None:
    """While the database works for one half, the other half is answered."""
    work = Transactions()
    intake = OrderIntake(work)
    burst = [asyncio.create_task(intake.create_order(command)) for command in commands(64)]
    await eventually(lambda: work.sizes == [32, 32])
    work.may_end.set()
    await asyncio.gather(*burst)


async def test_a_caller_that_goes_away_leaves_its_order_and_its_key_behind() -> None:
    """The transaction goes on; until it has ended the same key is still in use."""
    work = Transactions()
    intake = OrderIntake(work)
    keyed = replace(a_command(), idempotency=IdempotencyKey("k-1", b"1"))
    (caller,) = await arrive(intake, keyed)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    with pytest.raises(IdempotencyKeyInUseError):
        await intake.create_order(keyed)
    work.may_end.set()
    await eventually(lambda: not intake._running)
    assert isinstance(await intake.create_order(keyed), Order)


async def test_a_full_batch_does_not_wait_for_the_running_transaction() -> None:
    """Up to the limit of transactions."""
    work = Transactions()
    tasks = await arrive(OrderIntake(work, batch_size=3, transactions=2), *commands(9))
    assert work.sizes == [1, 3]
    work.may_end.set()
    await asyncio.gather(*tasks)
    assert work.sizes == [1, 3, 3, 2]


async def test_a_transaction_that_is_stuck_does_not_hold_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment the next one begins beside it, full or not."""
    monkeypatch.setattr(order_intake, "_SLOW_SECONDS", 0.05)
    work = Transactions()
    tasks = await arrive(OrderIntake(work), *commands(3))
    await eventually(lambda: sum(work.sizes) == 3)
    assert work.sizes[0] == 1
    work.may_end.set()
    await asyncio.gather(*tasks)


async def test_orders_of_the_same_turn_share_a_transaction() -> None:
    """A burst does not begin with a transaction of one."""
    work = Transactions()
    work.may_end.set()
    intake = OrderIntake(work)
    await asyncio.gather(*(intake.create_order(command) for command in commands(10)))
    assert work.sizes == [10]


async def test_a_batch_is_bounded() -> None:
    """A transaction must not hold its locks for long."""
    work = Transactions()
    work.may_end.set()
    intake = OrderIntake(work, batch_size=4)
    await asyncio.gather(*(intake.create_order(command) for command in commands(10)))
    assert work.sizes == [4, 4, 2]


async def test_overload_is_refused_before_memory_grows() -> None:
    """What is waiting already is served."""
    work = Transactions()
    intake = OrderIntake(work, queue_size=3)
    tasks = await arrive(intake, *commands(4))
    assert intake.waiting == 3
    with pytest.raises(IntakeFullError):
        await intake.create_order(a_command())
    work.may_end.set()
    assert len(await asyncio.gather(*tasks)) == 4


async def test_a_refused_order_fails_alone() -> None:
    """Its neighbours have their orders."""
    work = Transactions()
    work.may_end.set()
    good, bad = a_command(), a_command()
    work.refused.add(bad.order_id)
    intake = OrderIntake(work)
    first, second = await asyncio.gather(
        intake.create_order(good), intake.create_order(bad), return_exceptions=True
    )
    assert isinstance(first, Order)
    assert isinstance(second, UnknownProductError)


async def test_a_caller_that_goes_away_does_not_cancel_its_transaction() -> None:
    """The commit belongs to the intake."""
    work = Transactions()
    leaving, staying = await arrive(OrderIntake(work), *commands(2))
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    work.may_end.set()
    assert isinstance(await staying, Order)
    assert sum(work.sizes) == 2


async def test_a_database_that_is_away_fails_all_that_wait_at_once() -> None:
    """Nobody waits for a time-out after another's."""
    work = Transactions()
    work.failure = StorageUnavailableError("away")
    intake = OrderIntake(work, transactions=1)
    tasks = await arrive(intake, *commands(5))
    work.may_end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailableError] * 5
    assert work.sizes == [1]
    work.failure = None
    assert isinstance(await intake.create_order(a_command()), Order)


async def test_a_locked_table_fails_all_that_wait_at_once_and_a_slow_statement_its_own_batch() -> None:
    """Who waits behind a slow one has a transaction of its own."""
    for failure, batches in ((LockWaitError("locked"), [1]), (StorageBusyError("slow"), [1, 4])):
        work = Transactions()
        work.failure = failure
        tasks = await arrive(OrderIntake(work, transactions=1), *commands(5))
        work.may_end.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [type(failure)] * 5
        assert work.sizes == batches


async def test_a_key_that_another_session_holds_is_in_use_for_a_moment_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who asks again sooner than told holds up no transaction."""
    monkeypatch.setattr(order_intake, "_KEY_SECONDS", 0.2)
    work = Transactions()
    work.may_end.set()
    work.failure = IdempotencyKeyInUseError("It is still running.")
    intake = OrderIntake(work)
    mine = replace(a_command(), idempotency=IdempotencyKey("k-1", b"hash"))
    for _ in range(2):
        with pytest.raises(IdempotencyKeyInUseError):
            await intake.create_order(mine)
    assert work.sizes == [1]
    work.failure = None

    async def placed() -> bool:
        with suppress(IdempotencyKeyInUseError):
            return isinstance(await intake.create_order(mine), Order)
        return False

    await eventually(placed)


async def test_a_bug_reaches_its_callers_and_the_intake_goes_on() -> None:
    """Each answers 500 for its own request."""
    work = Transactions()
    work.may_end.set()
    work.failure = KeyError("typo")
    intake = OrderIntake(work)
    with pytest.raises(KeyError):
        await intake.create_order(a_command())
    work.failure = None
    assert isinstance(await intake.create_order(a_command()), Order)


async def test_one_key_runs_once_at_a_time() -> None:
    """The second of two simultaneous requests is told to come again; another customer has other keys."""
    work = Transactions()
    intake = OrderIntake(work)
    key = IdempotencyKey("k-1", b"hash")
    mine = replace(a_command(), idempotency=key)
    (first,) = await arrive(intake, mine)
    with pytest.raises(IdempotencyKeyInUseError):
        await intake.create_order(replace(a_command(), idempotency=key))
    (other,) = await arrive(intake, replace(a_command(customer="c-2"), idempotency=key))
    work.may_end.set()
    await asyncio.gather(first, other)
    assert isinstance(await intake.create_order(replace(a_command(), idempotency=key)), Order)


async def test_stop_waits_for_the_running_transactions_within_its_bound() -> None:
    """A drained process leaves no transaction behind."""
    work = Transactions()
    intake = OrderIntake(work)
    (task,) = await arrive(intake, a_command())
    stopping = asyncio.create_task(intake.stop(within_seconds=5))
    await asyncio.sleep(0)
    assert not stopping.done()
    work.may_end.set()
    await asyncio.gather(stopping, task)
    await eventually(lambda: intake.waiting == 0)
