"""Runs a piece of work until an event asks it to stop, and gives it a bounded time to do so."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

CANCEL_SECONDS = 2.0


async def run_until_stopped(
    work: Coroutine[Any, Any, None],
    stop: asyncio.Event,
    *,
    ask: Callable[[asyncio.Task[None]], Awaitable[None]],
    within_seconds: float,
) -> None:
    """Run `work` to its end; once `stop` is set, await `ask` with its task, then wait `within_seconds` more.

    `ask` may cancel the task: that is a clean end too. It must be bounded itself.

    Raises:
        TimeoutError: it did not end; it was cancelled.
        Exception: whatever the work raised.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await ask(working)
            await asyncio.wait({working}, timeout=within_seconds)
        if not working.done():
            raise TimeoutError(f"The process did not stop within {within_seconds:.0f} s.")
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working}, timeout=CANCEL_SECONDS)
    if not working.cancelled():
        working.result()
