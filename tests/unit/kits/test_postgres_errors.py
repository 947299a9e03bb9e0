"""What a database error means, by SQLSTATE."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog.testing import capture_logs

from kits.observability.repeats import Repeats
from kits.postgres.errors import Fault, condemns_connection, fault_of
from kits.postgres.outages import outage_suppressed, sentence


class DriverError(Exception):
    """What a driver raises."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def database_error(sqlstate: str) -> DBAPIError:
    """As SQLAlchemy wraps it."""
    return DBAPIError("SELECT", {}, DriverError(sqlstate))


@pytest.mark.parametrize(
    ("sqlstate", "fault"),
    [
        ("40001", Fault.RUN_AGAIN),
        ("40P01", Fault.RUN_AGAIN),
        ("23505", Fault.DEFINITE),
        ("23514", Fault.DEFINITE),
        ("22003", Fault.DEFINITE),
        ("55P03", Fault.BUSY),
        ("57014", Fault.BUSY),
        ("57P01", Fault.OUTAGE),
        ("57P03", Fault.OUTAGE),
        ("53300", Fault.OUTAGE),
        ("08006", Fault.OUTAGE),
        ("25006", Fault.STALE),
        ("26000", Fault.STALE),
        ("42P01", Fault.NOT_READY),
        ("42501", Fault.NOT_READY),
        ("42601", Fault.BUG),
        ("", Fault.BUG),
    ],
)
def test_the_sqlstate_decides(sqlstate: str, fault: Fault) -> None:
    """One table for the whole product."""
    assert fault_of(database_error(sqlstate)) is fault


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError()])
def test_no_connection_is_an_outage(error: Exception) -> None:
    """Whether the server or the network is to blame."""
    assert fault_of(error) is Fault.OUTAGE


def test_our_own_mistakes_are_bugs_and_are_never_suppressed() -> None:
    """A loop that swallows them would hide them for ever."""
    with pytest.raises(KeyError), outage_suppressed():
        raise KeyError("typo")
    with outage_suppressed():
        raise ConnectionRefusedError


@pytest.mark.parametrize(
    ("error", "condemned"),
    [
        (database_error("25006"), True),
        (database_error("57P01"), True),
        (database_error("08006"), True),
        (ConnectionResetError(), True),
        (asyncpg.InvalidCachedStatementError("cached"), True),
        (database_error("53100"), False),
        (database_error("55P03"), False),
        (database_error("42P01"), False),
        (PoolTimeoutError(), False),
    ],
)
def test_a_fault_of_the_connection_condemns_it_and_one_of_the_statement_does_not(
    error: Exception, condemned: bool
) -> None:
    """A new connection helps against the first kind only."""
    assert condemns_connection(error) is condemned


def test_no_free_connection_is_no_outage() -> None:
    """Nothing was begun."""
    assert fault_of(PoolTimeoutError()) is Fault.OVERLOADED


@pytest.mark.parametrize(
    ("sqlstate", "said"),
    [
        ("42P01", "run `python -m app migrate`"),
        ("42501", "grant it"),
        ("25006", "read-only"),
        ("53100", "disk is full"),
        ("57P03", "does not answer"),
    ],
)
def test_a_sentence_says_what_to_do(sqlstate: str, said: str) -> None:
    """To whoever reads it: a caller, an operator, a log."""
    assert said in sentence(database_error(sqlstate), migrate_command="python -m app migrate")


def test_a_cause_is_logged_once_however_many_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement misses another table before a migration: that is one cause, and no trace."""
    monkeypatch.setattr("kits.postgres.outages._repeats", Repeats(every_seconds=60))
    with capture_logs() as lines:
        for _ in range(100):
            for state in ("42P01", "25006"):
                with outage_suppressed("work_waits"):
                    raise database_error(state)
    assert sorted(line["event"] for line in lines) == ["database_unusable", "database_unusable", "work_waits"]
    assert not any("exc_info" in line for line in lines)
