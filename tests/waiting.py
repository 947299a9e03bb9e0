"""Waiting for a condition instead of sleeping for a while; and how long a test waits at most."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE = float(os.environ.get("TEST_PATIENCE") or 1)
"""Every bound of a test times this: TEST_PATIENCE=3 for a machine with much else to do."""


def patient(seconds: float) -> float:
    """The longest that a test waits for what takes `seconds` on a busy machine; no test is slower by it."""
    return seconds * PATIENCE


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], within_seconds: float = ..., poll_seconds: float = ...
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T], within_seconds: float = ..., poll_seconds: float = ...
) -> T: ...


async def eventually(
    condition: Callable[[], Any], within_seconds: float = 60.0, poll_seconds: float = 0.02
) -> Any:
    """Return the first true value of `condition` (plain or async), asked again and again.

    An AssertionError inside `condition` counts as "not yet". The failure names the last value that was seen.
    `within_seconds` is made patient here.
    """
    within_seconds = patient(within_seconds)
    give_up_at = time.monotonic() + within_seconds
    while True:
        value, said = await _ask(condition)
        if value:
            return value
        if time.monotonic() > give_up_at:
            name = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"{name} was not true within {within_seconds} s; last value: {said}")
        await asyncio.sleep(poll_seconds)


async def _ask(condition: Callable[[], Any]) -> tuple[Any, str]:
    try:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
    except AssertionError as error:
        return None, f"AssertionError: {error}"
    return value, repr(value)
