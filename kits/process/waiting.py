"""Waits for an event, for so long and no longer."""

import asyncio


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set, at most `seconds`; whether it is set. An event that is set costs no wait."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        # It may have been set in the very moment in which the time was up.
        return event.is_set()
    return True
