"""Data platform, rule: our address, path or token is wrong. Nothing dies of it; after a minute it ends."""

import asyncio

from worker.handler import GroupHaltedError

UNREADY_SECONDS = 2.0


class MisconfiguredError(GroupHaltedError):
    """The platform has answered nothing but 3xx and 4xx of our own making for a minute."""

    code = "data_platform_misconfigured"


class Halt:
    """Counts from the first such answer without a success since. An outage says nothing: it begins anew."""

    def __init__(self, *, end_seconds: float) -> None:
        self._end_seconds = end_seconds
        self._since: float | None = None
        self._failing = asyncio.Event()
        self.reason = ""

    @property
    def is_unready(self) -> bool:
        """Long enough for every other order to have shown that it is not a single event."""
        now = asyncio.get_running_loop().time()
        return self._since is not None and now - self._since >= min(UNREADY_SECONDS, self._end_seconds / 2)

    def failed(self, reason: str) -> None:
        """An answer that says so, to an event that is not known to fail alone."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            self._failing.set()
        self.reason = reason

    def clear(self) -> None:
        """A success, or an outage."""
        self._since = None
        self._failing.clear()

    async def run(self) -> None:
        """Wait until cancelled.

        Raises:
            MisconfiguredError: a minute has passed without a success.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._failing.wait()
            since = self._since
            if since is None:
                continue
            await asyncio.sleep(since + self._end_seconds - loop.time())
            if self._since == since:
                raise MisconfiguredError(
                    f"Every call was answered with {self.reason} for {self._end_seconds:.0f} s."
                )
