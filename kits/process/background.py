"""Background work: tasks that are watched, started again when they fail, and stopped within a bound."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from kits.observability.logs import get_logger
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_RESTART = Backoff(base_seconds=0.1, cap_seconds=5.0)
_CALM_SECONDS = 30.0


class Supervisor:
    """Runs a process's background tasks; one that fails is logged and started again with back-off."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run `run()` until it returns; when it raises, run it again after at most 5 s."""
        if name in self._tasks and not self._tasks[name].done():
            raise ValueError(f"A background task named {name!r} is running already.")
        self._tasks[name] = asyncio.create_task(self._watch(name, run), name=name)

    async def stop(self, *, within_seconds: float = 5.0) -> None:
        """Cancel every task and wait for its end, at most `within_seconds`."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=within_seconds)
            for task in stuck:
                log.error(
                    "background_task_stuck", task=task.get_name(), action="report a bug: it ignores its end"
                )

    async def _watch(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await run()
            except Exception:
                # Whatever it was, the work of this task must go on; the log has the trace.
                calm = asyncio.get_running_loop().time() - began > _CALM_SECONDS
                failures = 0 if calm else failures + 1
                wait = _RESTART.wait_seconds(failures)
                log.exception("background_task_failed", task=name, again_in_seconds=round(wait, 2))
                await asyncio.sleep(wait)
            else:
                return


class PeriodicTask:
    """Calls `action` every `interval_seconds` (jittered by a fifth), and at once when nudged.

    Calls never overlap. The action returns True to be called again at once (there is more to do).
    """

    def __init__(self, action: Callable[[], Awaitable[bool | None]], *, interval_seconds: float) -> None:
        self._action = action
        self._interval_seconds = interval_seconds
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Ask for a call now, or right after the running one."""
        self._nudged.set()

    async def run(self) -> None:
        """Go on until cancelled; what the action raises ends the run, and its supervisor starts it again."""
        while True:
            self._nudged.clear()
            if not await self._action():
                await self._rest()

    async def _rest(self) -> None:
        jitter = 1 + random.uniform(-0.2, 0.2)  # noqa: S311 - spreads replicas, guards nothing
        await wait_for(self._nudged, self._interval_seconds * jitter)
