"""PostgreSQL errors: what a failed statement means for the caller, by SQLSTATE."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kits.observability.logs import get_logger

log = get_logger(__name__)

LockTimeoutError = asyncpg.LockNotAvailableError
"""Another transaction holds a row for longer than lock_timeout; out of kits.postgres.driver."""

_RUN_AGAIN = {"40001", "40P01"}
_BUSY = {"55P03", "57014", "25P03"}
_OUTAGE_CLASSES = {"08", "53", "58", "XX"}
_OUTAGE = {"57P01", "57P02", "57P03", "57P04", "57P05", "25006", "28000", "28P01", "3D000"}


class Fault(Enum):
    """What to do about a failed transaction. Nothing of it was committed, except after UNKNOWN."""

    RUN_AGAIN = "serialisation failure or deadlock: the same work again, with jitter"
    DEFINITE = "the data broke a rule (SQLSTATE class 22 or 23): again would fail again"
    OUTAGE = "the connection or the server is gone: the outcome of a COMMIT is unknown"
    BUSY = "a lock or statement timeout: the server is alive but slow"
    BUG = "anything else: our own mistake"


def is_out_of_step(error: BaseException) -> bool:
    """Whether the driver cannot use this connection: its server said goodbye, and no end was heard yet."""
    driver_error = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        driver_error = error.orig.__cause__ or error.orig
    return isinstance(driver_error, asyncpg.InternalClientError)


def sqlstate(error: BaseException) -> str:
    """The five characters of SQLSTATE behind a database error, empty if it has none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else ""


def constraint(error: BaseException) -> str:
    """The name of the constraint that refused the row, empty if it was none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    # The engine wraps the driver's error twice.
    cause = getattr(original, "__cause__", None) if isinstance(error, DBAPIError) else original
    return str(getattr(cause, "constraint_name", None) or "")


def fault_of(error: BaseException) -> Fault:  # noqa: PLR0911 - one line per class is the clearest table
    """Classify what came out of the engine, the pool or the driver."""
    if isinstance(error, OSError | TimeoutError | PoolTimeoutError | InterfaceError | asyncpg.InterfaceError):
        return Fault.OUTAGE
    if is_out_of_step(error) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Fault.OUTAGE
    state = sqlstate(error)
    if state in _RUN_AGAIN:
        return Fault.RUN_AGAIN
    if state[:2] in {"22", "23"}:
        return Fault.DEFINITE
    if state in _BUSY:
        return Fault.BUSY
    if state in _OUTAGE or state[:2] in _OUTAGE_CLASSES:
        return Fault.OUTAGE
    return Fault.BUG


@contextmanager
def outage_suppressed(event: str = "") -> Iterator[None]:
    """Leaves the block quietly when the database is away, slow or in conflict: the caller comes again later.

    With `event` the first thing that a reader of the log learns is that this work waits. Our own mistakes and
    broken data pass through.
    """
    try:
        yield
    except Exception as error:
        if fault_of(error) in {Fault.BUG, Fault.DEFINITE}:
            raise
        if event:
            log.warning(event, error=type(error).__name__, action="bring PostgreSQL back; nothing is lost")
