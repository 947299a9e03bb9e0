"""What happens when the transaction of a batch fails."""

from collections.abc import Sequence

import pytest

from app.application.batch_attempts import Outcome, attempt_batch
from app.application.commands import CreateOrder
from app.application.errors import StorageConflictError, StorageRefusedError, StorageUnavailableError
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
