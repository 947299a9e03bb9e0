"""What happens when the transaction of a batch fails."""

from collections.abc import Sequence

import pytest

from app.application.batch_attempts import Outcome, attempt_batch
from app.application.commands import CreateOrder
from app.application.errors import (
    LockWaitError,
    RowHeldError,
    StorageBusyError,
    StorageConflictError,
    StorageRefusedError,
    StorageUnavailableError,
)
from app.domain.order import Order
from tests.builders import a_command, an_order


class Script:
    """Attempts that fail as told, then succeed; keeps what it was asked for."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[tuple[int, bool]] = []

    async def __call__(self, commands: Sequence[CreateOrder], resumed: bool) -> list[Outcome]:
        self.asked.append((len(commands), resumed))
        if self.failures:
            raise self.failures.pop(0)
        return [an_order() for _ in commands]


async def test_a_conflict_runs_the_same_batch_again() -> None:
    """A deadlock or serialisation failure committed nothing."""
    script = Script(StorageConflictError("deadlock"), StorageConflictError("deadlock"))
    assert len(await attempt_batch([a_command(), a_command()], script)) == 2
    assert script.asked == [(2, False)] * 3


async def test_a_conflict_is_given_up_after_three_more_tries() -> None:
    """Nothing was committed, so the caller may simply try again later."""
    script = Script(*[StorageConflictError("deadlock")] * 4)
    with pytest.raises(StorageConflictError):
        await attempt_batch([a_command()], script)
    assert len(script.asked) == 4


async def test_an_unknown_commit_is_resumed_once_so_that_the_attempt_looks_first() -> None:
    """The first attempt may have committed."""
    script = Script(StorageUnavailableError("connection lost"))
    await attempt_batch([a_command()], script)
    assert script.asked == [(1, False), (1, True)]


async def test_a_database_that_is_not_back_fails_all_at_once() -> None:
    """No serial timeouts: one more try, then 503."""
    script = Script(StorageUnavailableError("gone"), StorageUnavailableError("gone"))
    with pytest.raises(StorageUnavailableError):
        await attempt_batch([a_command()], script)


async def test_refused_data_fails_alone() -> None:
    """The commands run one by one; the bad one gets the refusal, its neighbours their orders."""
    bad = a_command()

    async def attempt(commands: Sequence[CreateOrder], _resumed: bool) -> list[Outcome]:
        if bad in commands:
            raise StorageRefusedError("value out of range")
        return [an_order() for _ in commands]

    first, second, third = await attempt_batch([a_command(), bad, a_command()], attempt)
    assert isinstance(first, Order)
    assert isinstance(second, StorageRefusedError)
    assert isinstance(third, Order)


async def test_a_lock_of_another_session_is_gone_around_once() -> None:
    """What is held beyond that is a whole table: everybody is told that nothing was stored."""
    script, around = Script(LockWaitError("held")), Script(LockWaitError("held"))
    assert len(await attempt_batch([a_command()], script, Script())) == 1
    with pytest.raises(LockWaitError):
        await attempt_batch([a_command()], Script(LockWaitError("held")), around)
    assert (len(script.asked), len(around.asked)) == (1, 1)


async def test_a_slow_statement_is_not_tried_again() -> None:
    """It would be as slow again; nothing was stored."""
    script = Script(StorageBusyError("slow"))
    with pytest.raises(StorageBusyError):
        await attempt_batch([a_command()], script, script)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "second", [LockWaitError("held"), StorageBusyError("slow"), StorageConflictError("deadlock")]
)
async def test_after_an_unknown_commit_nothing_is_called_undone_that_was_not_looked_at(
    second: StorageBusyError | StorageConflictError,
) -> None:
    """The attempt before may have committed: its own transaction may even be what holds the row."""
    with pytest.raises(StorageUnavailableError):
        await attempt_batch([a_command()], Script(StorageUnavailableError("lost"), *[second] * 4))

    async def attempt(_commands: Sequence[CreateOrder], resumed: bool) -> list[Outcome]:
        if not resumed:
            raise StorageUnavailableError("lost")
        return [RowHeldError([("product", "p-1")]), an_order()]

    outcomes = await attempt_batch([a_command(), a_command()], attempt)
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailableError, Order]


async def test_one_by_one_each_command_keeps_the_outcome_that_it_had() -> None:
    """A later failure takes no committed order back; after an outage nobody waits for another one."""
    first, slow, lost, last = [a_command() for _ in range(4)]
    failures = {slow.order_id: StorageBusyError("slow"), lost.order_id: StorageUnavailableError("lost")}
    asked: list[str] = []

    async def attempt(commands: Sequence[CreateOrder], _resumed: bool) -> list[Outcome]:
        if len(commands) > 1:
            raise StorageRefusedError("value out of range")
        asked.append(commands[0].order_id)
        if commands[0].order_id in failures:
            raise failures[commands[0].order_id]
        return [an_order()]

    outcomes = await attempt_batch([first, slow, lost, last], attempt)
    expected = [Order, StorageBusyError, StorageUnavailableError, StorageUnavailableError]
    assert [type(outcome) for outcome in outcomes] == expected
    assert last.order_id not in asked
