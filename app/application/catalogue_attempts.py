"""Use cases: work on the catalogue is done again until its outcome is certain."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from app.application.errors import (
    StorageBusyError,
    StorageConflictError,
    StorageStaleError,
    StorageUnavailableError,
)

T = TypeVar("T")
TRIES = 8
_PATIENCE_SECONDS = 5.0
_WORTH_ANOTHER_TRY = (StorageBusyError, StorageConflictError, StorageUnavailableError)
_NOTHING_DONE = (StorageBusyError, StorageConflictError, StorageStaleError)


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


async def attempt_for_caller(work: Callable[[], Awaitable[T]]) -> T:
    """Run work whose caller waits: again only if nothing of it was done, and for five seconds at most.

    Between the tries nothing is held.

    Raises:
        StorageUnavailableError: the outcome is unknown.
        StorageBusyError, StorageConflictError: nothing of it was committed.
    """
    tries = stamina.AsyncRetryingCaller(
        attempts=TRIES, timeout=_PATIENCE_SECONDS, wait_initial=0.05, wait_jitter=0.1, wait_max=1.0
    )
    return await tries.on(_NOTHING_DONE)(work)
