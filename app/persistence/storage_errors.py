"""Persistence: says in the words of the use cases what a database error means."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.application.errors import (
    LockWaitError,
    StorageBusyError,
    StorageConflictError,
    StorageError,
    StorageNotReadyError,
    StorageOverloadedError,
    StorageRefusedError,
    StorageStaleError,
    StorageUnavailableError,
)
from kits.postgres.errors import LOCK_NOT_AVAILABLE, Fault, constraint, fault_of, sqlstate
from kits.postgres.outages import sentence, warn_once

MIGRATE_COMMAND = "python -m app migrate"


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises the use case error for what comes out of the engine; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        warn_once(error)
        raise meaning from error


def _meaning(error: Exception) -> StorageError | None:  # noqa: PLR0911 - one line per fault
    match fault_of(error):
        case Fault.RUN_AGAIN:
            return StorageConflictError("The transaction was in conflict with another one.")
        case Fault.DEFINITE:
            return StorageRefusedError(
                f"The database refused the data: {constraint(error) or sqlstate(error)}."
            )
        case Fault.STALE:
            return StorageStaleError(sentence(error, migrate_command=MIGRATE_COMMAND))
        case Fault.NOT_READY:
            return StorageNotReadyError(sentence(error, migrate_command=MIGRATE_COMMAND))
        case Fault.OVERLOADED:
            return StorageOverloadedError("More requests are waiting for the database than it can take now.")
        case Fault.BUSY:
            return _busy(sqlstate(error) == LOCK_NOT_AVAILABLE)
        case Fault.OUTAGE:
            return StorageUnavailableError("The order database does not answer now; try again in a moment.")
        case Fault.BUG:
            return None


def _busy(waited: bool) -> StorageBusyError:
    if waited:
        return LockWaitError("Somebody else is working on what this needs: nothing was stored.")
    return StorageBusyError("The order database took too long over this: nothing was stored.")
