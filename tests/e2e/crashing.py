"""Runs a process of the product that kills or stops itself at a named point.

`python -m tests.e2e.crashing MOMENT MODULE:CLASS.METHOD app|worker`: the first call of that method ends the
process by SIGKILL: `before` its body runs, `during` it, or `after` it has returned something (an empty answer
is none). `stop-before`, `stop-during`, `stop-after`: SIGSTOP instead; at SIGCONT it goes on as if nothing had
been. Nothing of the product knows of it.
"""

import asyncio
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

_DURING_SECONDS = 0.1
STOP = "stop-"


class Crash:
    """What the kernel, the machine or an impatient operator may do at any moment, once."""

    def __init__(self, moment: str) -> None:
        self.moment = moment.removeprefix(STOP)
        self._signal = signal.SIGSTOP if moment.startswith(STOP) else signal.SIGKILL
        self._is_due = True

    def at(self, moment: str) -> None:
        """Happens, if this is the moment."""
        if self._is_due and moment == self.moment:
            self._is_due = False
            os.kill(os.getpid(), self._signal)

    def after(self, result: Any) -> None:
        """Happens after a method that has returned something, or that never does."""
        if result is None or result:
            self.at("after")


def crashing(method: Callable[..., Any], crash: Crash) -> Callable[..., Any]:
    """The same method, deadly."""
    if asyncio.iscoroutinefunction(method):

        @wraps(method)
        async def deadly_async(*arguments: Any, **named: Any) -> Any:
            crash.at("before")
            running = asyncio.ensure_future(method(*arguments, **named))
            if crash.moment == "during":
                await asyncio.wait({running}, timeout=_DURING_SECONDS)
                crash.at("during")
            result = await running
            crash.after(result)
            return result

        return deadly_async

    @wraps(method)
    def deadly(*arguments: Any, **named: Any) -> Any:
        crash.at("before")
        result = method(*arguments, **named)
        crash.after(result)
        return result

    return deadly


def main(moment: str, point: str, process: str) -> None:
    """Plant the crash, then run the process as `python -m` would."""
    module_name, _, path = point.partition(":")
    class_name, _, method_name = path.partition(".")
    owner = getattr(importlib.import_module(module_name), class_name)
    setattr(owner, method_name, crashing(getattr(owner, method_name), Crash(moment)))
    sys.argv[1:] = []
    runpy.run_module(process, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
