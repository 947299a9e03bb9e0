"""Waiting for an event within a bound."""

import asyncio

import pytest

from kits.process.waiting import wait_for
from tests.virtual_time import run_virtually


@pytest.mark.parametrize(
    ("set_after", "seconds", "is_set", "takes"),
    [(1.0, 3.0, True, 1.0), (4.0, 3.0, False, 3.0), (None, 3.0, False, 3.0), (2.0, 0.0, False, 0.0)],
)
def test_it_ends_with_the_event_or_with_the_time(
    set_after: float | None, seconds: float, is_set: bool, takes: float
) -> None:
    """Whichever comes first; the answer says which."""

    async def wait() -> tuple[bool, float]:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        if set_after is not None:
            loop.call_later(set_after, event.set)
        return await wait_for(event, seconds), loop.time()

    assert run_virtually(wait()) == (is_set, takes)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 5.0])
async def test_an_event_that_is_set_costs_no_wait(seconds: float) -> None:
    """Also when the time was up before."""
    event = asyncio.Event()
    event.set()
    assert await wait_for(event, seconds)


def test_an_event_of_the_last_moment_counts() -> None:
    """Set in the turn of the loop in which the time is up, it is not reported as missing."""

    async def wait() -> bool:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(3.0, event.set)
        return await wait_for(event, 3.0)

    assert run_virtually(wait())


def test_the_waiter_can_be_cancelled() -> None:
    """The end of its task is not taken for the end of its time."""

    async def cancel() -> bool:
        waiting = asyncio.create_task(wait_for(asyncio.Event(), 9.0))
        await asyncio.sleep(1.0)
        waiting.cancel()
        await asyncio.wait({waiting})
        return waiting.cancelled()

    assert run_virtually(cancel())
