"""Persistence: says in the words of the use cases what a database error means."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.application.errors import (
    StorageConflictError,
    StorageError,
    StorageRefusedError,
    StorageUnavailableError,
)
from kits.postgres.errors import Fault, constraint, fault_of, sqlstate


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises the use case error for what comes out of the engine; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(error: Exception) -> StorageError | None:
    match fault_of(error):
        case Fault.RUN_AGAIN:
            return StorageConflictError("The transaction was in conflict with another one.")
        case Fault.DEFINITE:
            return StorageRefusedError(
                f"The database refused the data: {constraint(error) or sqlstate(error)}."
            )
        case Fault.OUTAGE | Fault.BUSY:
            return StorageUnavailableError("The order database does not answer now; try again in a moment.")
        case Fault.BUG:
            return None
