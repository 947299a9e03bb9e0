"""What the Member API says of a database that does not do its work."""

import asyncpg
import pytest

from kits.outbox.recording import OutboxConflictError
from services.members.api.problems import member_problems
from services.members.ports import PreconditionFailedError, StorageError
from services.members.store import storage_errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.DeadlockDetectedError("x"), "storage_conflict"),
        (asyncpg.CheckViolationError("x"), "storage_refused"),
        (OutboxConflictError("x"), "storage_refused"),
        (asyncpg.LockNotAvailableError("x"), "storage_busy"),
        (asyncpg.QueryCanceledError("x"), "storage_busy"),
        (asyncpg.UndefinedTableError("x"), "storage_unavailable"),
        (asyncpg.InsufficientPrivilegeError("x"), "storage_unavailable"),
        (asyncpg.ReadOnlySQLTransactionError("x"), "storage_unavailable"),
        (ConnectionRefusedError(), "storage_unavailable"),
        (TimeoutError(), "storage_unavailable"),
    ],
)
def test_every_fault_of_the_database_has_a_code_that_is_documented(error: Exception, code: str) -> None:
    """And a status that tells whether to try again."""
    with pytest.raises(StorageError) as told, storage_errors():
        raise error
    assert (told.value.code, told.value.__cause__) == (code, error)
    assert member_problems().kind(code).status == (422 if code == "storage_refused" else 503)


@pytest.mark.parametrize("error", [PreconditionFailedError("x"), KeyError("x")])
def test_what_is_no_fault_of_the_database_passes_as_it_is(error: Exception) -> None:
    """Refusals, and our own mistakes."""
    with pytest.raises(type(error)) as passed, storage_errors():
        raise error
    assert passed.value is error
