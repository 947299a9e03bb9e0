"""PostgreSQL outages: what an operator reads while the database can't do the work, once per cause."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.postgres.diagnosis import TOLD_BY_STATE, diagnose_connection
from kits.postgres.errors import Fault, fault_of, server_message, sqlstate

log = get_logger(__name__)

# One per process, whatever the number of its pools and tasks: they all meet the same database.
_repeats = Repeats(every_seconds=60.0)


def not_this_builds(found: str, migrate_command: str) -> str:
    """The sentence for a schema that this build can't work with; `found` says what was found."""
    return f"The schema of the database is not this build's ({found}): run `{migrate_command}`."


def sentence(error: BaseException, *, migrate_command: str = "migrate") -> str:
    """What is wrong with the database, and what to do about it."""
    state = sqlstate(error)
    match fault_of(error):
        case Fault.NOT_READY if state == "42501":
            said = server_message(error)
            return f"The database refuses this process a right ({said}): grant it to its role."
        case Fault.NOT_READY:
            return not_this_builds(server_message(error), migrate_command)
        case _ if state in TOLD_BY_STATE:
            return TOLD_BY_STATE[state]
        case _:
            found = diagnose_connection(error)
            return f"The database {found.found}: {found.action}."


def warn_once(error: BaseException) -> None:
    """Log what an operator must know of this fault; a cause that was logged in the last minute is not."""
    fault, state = fault_of(error), sqlstate(error)
    match fault:
        case Fault.NOT_READY:
            action = "do what the reason says; /readyz tells when it is enough"
        case Fault.STALE | Fault.OUTAGE:
            action = "none if it stays at one: connections are made anew; else bring PostgreSQL back"
        case _:
            return
    # Before a migration every statement misses another table: that is one cause.
    cause = f"{state} {server_message(error)}" if state == "42501" else state or type(error).__name__
    if _repeats.due(cause):
        log.warning("database_unusable", reason=sentence(error), sqlstate=state, action=action)


def is_outage(error: BaseException) -> bool:
    """Whether the same can be done later: not so our own mistakes, and data that the database refuses."""
    return fault_of(error) not in {Fault.BUG, Fault.DEFINITE}


@contextmanager
def outage_suppressed(event: str = "") -> Iterator[None]:
    """Leaves the block quietly when the database can't do the work now: the caller comes again later.

    Away, slow, in conflict, without a table or a right: the log has each cause once a minute, and with
    `event` that this work waits. Our own mistakes and broken data pass through.
    """
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        warn_once(error)
        if event and _repeats.due(event):
            log.warning(event, error=type(error).__name__, action="bring PostgreSQL back; nothing is lost")
