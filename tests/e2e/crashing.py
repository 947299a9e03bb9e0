"""Runs a process of the product that kills itself with SIGKILL at a named point.

`python -m tests.e2e.crashing before|after MODULE:CLASS.METHOD app|worker`: the first call of that method ends
the process, before its body ran or after it returned. Nothing of the product knows of it.
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


def die() -> None:
    """What the kernel, the machine or an impatient operator may do at any moment."""
    os.kill(os.getpid(), signal.SIGKILL)


def crashing(method: Callable[..., Any], moment: str) -> Callable[..., Any]:
    """The same method, deadly."""
    if asyncio.iscoroutinefunction(method):

        @wraps(method)
        async def deadly_async(*arguments: Any, **named: Any) -> Any:
            if moment == "before":
                die()
            result = await method(*arguments, **named)
            die()
            return result

        return deadly_async

    @wraps(method)
    def deadly(*arguments: Any, **named: Any) -> Any:
        if moment == "before":
            die()
        result = method(*arguments, **named)
        die()
        return result

    return deadly


def main(moment: str, point: str, process: str) -> None:
    """Plant the crash, then run the process as `python -m` would."""
    module_name, _, path = point.partition(":")
    class_name, _, method_name = path.partition(".")
    owner = getattr(importlib.import_module(module_name), class_name)
    setattr(owner, method_name, crashing(getattr(owner, method_name), moment))
    sys.argv[1:] = []
    runpy.run_module(process, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
