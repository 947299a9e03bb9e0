"""Use cases: work on the catalogue is done again until its outcome is certain."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.application.errors import StorageBusyError, StorageConflictError, StorageUnavailableError
from kits.observability.logs import get_logger
from kits.resilience.retry import Backoff

log = get_logger(__name__)

T = TypeVar("T")
TRIES = 8
_BACKOFF = Backoff(base_seconds=0.1, cap_seconds=2.0)


async def attempt(work: Callable[[], Awaitable[T]]) -> T:
    """Run work that may be run twice: at most eight times, with jitter between.

    Orders hold the locks for moments; a busy product or a lost connection is worth another try.

    Raises:
        StorageUnavailableError: the outcome of the last try is unknown.
        StorageBusyError, StorageConflictError: nothing of it was committed.
    """
    for number in range(1, TRIES):
        try:
            return await work()
        except (StorageBusyError, StorageConflictError, StorageUnavailableError) as error:
            log.warning("catalogue_work_repeated", attempt=number, reason=error.code, action="none, it waits")
            await asyncio.sleep(_BACKOFF.wait_seconds(number))
    return await work()
