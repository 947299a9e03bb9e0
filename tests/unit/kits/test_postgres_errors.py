"""What a database error means, by SQLSTATE."""

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kits.postgres.errors import Fault, fault_of, outage_suppressed


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
        ("42P01", Fault.BUG),
        ("", Fault.BUG),
    ],
)
def test_the_sqlstate_decides(sqlstate: str, fault: Fault) -> None:
    """One table for the whole product."""
    assert fault_of(database_error(sqlstate)) is fault


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), PoolTimeoutError()])
def test_no_connection_is_an_outage(error: Exception) -> None:
    """Whether the server, the network or the pool is to blame."""
    assert fault_of(error) is Fault.OUTAGE


def test_our_own_mistakes_are_bugs_and_are_never_suppressed() -> None:
    """A loop that swallows them would hide them for ever."""
    with pytest.raises(KeyError), outage_suppressed():
        raise KeyError("typo")
    with outage_suppressed():
        raise ConnectionRefusedError
