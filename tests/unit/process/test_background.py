"""Background tasks: watched, started again, nudged, and stopped within a bound."""

import asyncio

import pytest

from kits.process.background import PeriodicTask, Supervisor
from tests.waiting import eventually, patient


async def test_a_failed_task_is_started_again() -> None:
    """Its work must go on, whatever it was."""
    runs = 0
    done = asyncio.Event()

    async def fail_once() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("first time")
        done.set()

    supervisor = Supervisor()
    supervisor.start("task", fail_once)
    await asyncio.wait_for(done.wait(), patient(60))
    await supervisor.stop()
    assert runs == 2


async def test_stop_ends_every_task_and_waits_for_it() -> None:
    """Nothing runs on behind a stopped process."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    supervisor = Supervisor()
    supervisor.start("task", work)
    await asyncio.sleep(0)
    await supervisor.stop()
    assert ended.is_set()


async def test_stop_is_bounded_even_if_a_task_ignores_its_end() -> None:
    """A process must be able to end."""
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor()
    supervisor.start("task", stubborn)
    await asyncio.sleep(0)
    await asyncio.wait_for(supervisor.stop(within_seconds=0.05), patient(60))
    release.set()
    await asyncio.sleep(0)


async def test_one_name_runs_once() -> None:
    """Two relays of one process would be a bug of its container."""
    supervisor = Supervisor()
    supervisor.start("task", asyncio.Event().wait)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="running already"):
        supervisor.start("task", asyncio.Event().wait)  # type: ignore[arg-type]
    await supervisor.stop()


async def test_a_periodic_task_runs_at_once_and_again_when_nudged() -> None:
    """The interval is only the last resort."""
    calls = 0

    async def count() -> None:
        nonlocal calls
        calls += 1

    task = PeriodicTask(count, interval_seconds=3600)
    running = asyncio.create_task(task.run())
    await eventually(lambda: calls == 1)
    task.nudge()
    await eventually(lambda: calls == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_periodic_task_that_has_more_to_do_does_not_rest() -> None:
    """A backlog drains at full speed."""
    left = 5

    async def take() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    running = asyncio.create_task(PeriodicTask(take, interval_seconds=3600).run())
    await eventually(lambda: left == 0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_nudge_during_a_call_is_not_lost() -> None:
    """What arrives while the action runs is looked at right after it."""
    calls = 0
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        nonlocal calls
        calls += 1
        entered.set()
        await go_on.wait()

    task = PeriodicTask(slow, interval_seconds=3600)
    running = asyncio.create_task(task.run())
    await entered.wait()
    task.nudge()
    go_on.set()
    await eventually(lambda: calls == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
