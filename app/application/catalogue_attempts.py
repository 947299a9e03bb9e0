"""Use cases: work on the catalogue is done again until its outcome is certain."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from app.application.errors import StorageBusyError, StorageConflictError, StorageUnavailableError

T = TypeVar("T")
TRIES = 8
_WORTH_ANOTHER_TRY = (StorageBusyError, StorageConflictError, StorageUnavailableError)


async def attempt(work: Callable[[], Awaitable[T]]) -> T:
    """Run work that may be run twice: at most eight times, with jitter between.

    Orders hold the locks for moments; a busy product or a lost connection is worth another try.

    Raises:
        StorageUnavailableError: the outcome of the last try is unknown.
        StorageBusyError, StorageConflictError: nothing of it was committed.
    """
    tries = stamina.AsyncRetryingCaller(
        attempts=TRIES, timeout=None, wait_initial=0.1, wait_jitter=0.1, wait_max=2.0
    )
    return await tries.on(_WORTH_ANOTHER_TRY)(work)
