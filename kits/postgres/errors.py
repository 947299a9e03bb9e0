"""PostgreSQL errors: what a failed statement means for the caller, by SQLSTATE."""

from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

LockTimeoutError = asyncpg.LockNotAvailableError
"""Another transaction holds a row for longer than lock_timeout; out of kits.postgres.driver."""

LOCK_NOT_AVAILABLE = "55P03"

_RUN_AGAIN = {"40001", "40P01"}
_BUSY = {LOCK_NOT_AVAILABLE, "57014", "25P03"}
# Read-only since a fail-over, prepared statements or catalogue entries that are not the server's any more.
_STALE = {"25006", "26000", "42P05", "XX000"}
# A schema, table, column, index, function or type that this build uses is not there, or is another one.
_NOT_READY = {"3F000", "42501", "42P01", "42P10", "42703", "42704", "42804", "42809", "42883"}
_OUTAGE_CLASSES = {"08", "53", "58", "XX"}
_OUTAGE = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P04", "28000", "28P01", "3D000"}
_GONE = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P04"}


class Fault(Enum):
    """What to do about a failed transaction. Nothing of it was committed, except after OUTAGE."""

    RUN_AGAIN = "serialisation failure or deadlock: the same work again, with jitter"
    DEFINITE = "the data broke a rule (SQLSTATE class 22 or 23): again would fail again"
    STALE = "the connection is not what its server is now: once more on a new one, then it is an outage"
    OUTAGE = "the connection or the server is gone: the outcome of a COMMIT is unknown"
    OVERLOADED = "no connection of the pool was free in time: nothing was begun"
    BUSY = "a lock or statement timeout: the server is alive but slow"
    NOT_READY = "a table, a column or a right is missing: an operator must act"
    BUG = "anything else: our own mistake"


def is_out_of_step(error: BaseException) -> bool:
    """Whether the driver cannot use this connection: its server said goodbye, and no end was heard yet."""
    return isinstance(_driver_error(error), asyncpg.InternalClientError)


def condemns_connection(error: BaseException) -> bool:
    """Whether neither its connection nor any that was opened before may be used again.

    What condemns one (a restart, a fail-over, a changed table) has met the others too.
    """
    if fault_of(error) is Fault.STALE or is_out_of_step(error):
        return True
    if isinstance(_driver_error(error), OSError | TimeoutError | asyncpg.InterfaceError):
        return True
    state = sqlstate(error)
    return state in _GONE or state.startswith("08")


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
    if isinstance(error, PoolTimeoutError):
        return Fault.OVERLOADED
    state = sqlstate(error)
    if state in _STALE or isinstance(_driver_error(error), asyncpg.InvalidCachedStatementError):
        return Fault.STALE
    if isinstance(error, OSError | TimeoutError | InterfaceError | asyncpg.InterfaceError):
        return Fault.OUTAGE
    if is_out_of_step(error) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Fault.OUTAGE
    if state in _RUN_AGAIN:
        return Fault.RUN_AGAIN
    if state[:2] in {"22", "23"}:
        return Fault.DEFINITE
    if state in _BUSY:
        return Fault.BUSY
    if state in _NOT_READY:
        return Fault.NOT_READY
    if state in _OUTAGE or state[:2] in _OUTAGE_CLASSES:
        return Fault.OUTAGE
    return Fault.BUG


def server_message(error: BaseException) -> str:
    """What the server said, in one line; it may name tables and columns, never values."""
    words = str(getattr(_driver_error(error), "args", ("",))[0] if _driver_error(error).args else "")
    return words.partition("\n")[0]


def _driver_error(error: BaseException) -> BaseException:
    """What the driver raised: the engine wraps it twice."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
