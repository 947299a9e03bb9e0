"""Runs a coroutine under virtual time: sleeping costs nothing, and the order of all steps is repeatable."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for a timeout it moves the loop's clock on by it."""

    now = 0.0
    turns = 0
    turns_allowed = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.turns += 1
        if self.turns_allowed and self.turns > self.turns_allowed:
            raise RuntimeError(f"Too much happens: over {self.turns_allowed} turns of the loop.")
        # Nothing comes from outside: a look now and then is for what the loop sends itself.
        found = super().select(0) if timeout is None or self.turns % 64 == 0 else []
        if not found and timeout is None:
            raise RuntimeError("Nothing will ever happen again: the code under test waits for itself.")
        if not found and timeout is not None:
            self.now += max(0.0, timeout)
        return found


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, turns_allowed: int) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.turns_allowed = turns_allowed
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, T], *, turns_allowed: int = 0) -> T:
    """Run to the end; the clock begins at 0 s and moves only while everybody sleeps.

    Args:
        turns_allowed: turns of the loop after which it is taken for one that never ends; 0: any number.
    """
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(turns_allowed)) as runner:
        return runner.run(main)
