"""Stopping: asked, waited for, and in the end made to."""

import asyncio

import pytest

from kits.process.stopping import run_until_stopped


async def nothing(_task: asyncio.Task[None]) -> None:
    """Ask, and do nothing about it."""


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def test_work_that_ends_by_itself_is_not_asked() -> None:
    asked: list[object] = []

    async def ask(task: asyncio.Task[None]) -> None:
        asked.append(task)

    async def work() -> None:
        await asyncio.sleep(0)

    await run_until_stopped(work(), asyncio.Event(), ask=ask, within_seconds=1)
    assert asked == []


async def test_what_the_work_raises_comes_through() -> None:
    async def work() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await run_until_stopped(work(), asyncio.Event(), ask=nothing, within_seconds=1)


async def test_work_that_is_cancelled_on_request_has_ended_well() -> None:
    stop = asyncio.Event()
    stop.set()
    await run_until_stopped(asyncio.Event().wait(), stop, ask=cancel, within_seconds=1)  # type: ignore[arg-type]


async def test_work_that_does_not_listen_is_cancelled_and_reported() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()
    stop.set()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError, match="did not stop"):
        await run_until_stopped(work(), stop, ask=nothing, within_seconds=0.01)
    assert ended.is_set()
