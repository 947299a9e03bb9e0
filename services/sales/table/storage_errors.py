"""Table: what goes wrong in the database, in this service's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.postgres.errors import Fault, constraint, fault_of, sqlstate
from kits.postgres.outages import sentence, warn_once

MIGRATE_COMMAND = "python -m services.sales migrate"


class StorageError(Exception):
    """The database could not do it; `code` says what kind of trouble it is."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises StorageError for what comes out of the engine; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        warn_once(error)
        raise meaning from error


def _meaning(error: Exception) -> StorageError | None:
    match fault_of(error):
        case Fault.BUG:
            return None
        case Fault.DEFINITE:
            found = constraint(error) or sqlstate(error)
            return StorageError("storage_refused", f"The database refused the data: {found}.")
        case Fault.OVERLOADED:
            return StorageError("overloaded", "More requests wait for the database than it can take now.")
        case Fault.BUSY | Fault.RUN_AGAIN:
            return StorageError("storage_busy", "Somebody else is working on this: nothing was stored.")
        case Fault.NOT_READY | Fault.STALE:
            return StorageError("storage_unavailable", sentence(error, migrate_command=MIGRATE_COMMAND))
        case _:
            return StorageError("storage_unavailable", "The database does not answer; try again in a moment.")
