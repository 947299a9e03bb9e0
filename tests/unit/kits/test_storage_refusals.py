"""What a caller over Kafka is told of a database that cannot do the work: a code, nothing of its inside."""

import asyncpg
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kits.rpc.errors import RpcError
from kits.rpc_service.storage import storage_refusals


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectionRefusedError("a secret address"), 503, "storage_unavailable"),
        (asyncpg.CannotConnectNowError("a secret"), 503, "storage_unavailable"),
        (asyncpg.UndefinedTableError('relation "secret"'), 503, "storage_unavailable"),
        (asyncpg.DiskFullError("a secret"), 503, "storage_unavailable"),
        (PoolTimeoutError("a secret"), 503, "storage_busy"),
        (asyncpg.LockNotAvailableError("a secret"), 503, "storage_busy"),
        (asyncpg.DeadlockDetectedError("a secret"), 503, "storage_busy"),
        (asyncpg.CheckViolationError("a secret"), 422, "storage_refused"),
    ],
)
def test_a_fault_of_the_database_is_a_refusal(error: Exception, status: int, code: str) -> None:
    """Away, busy, or not with this value."""
    with pytest.raises(RpcError) as caught, storage_refusals():
        raise error
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [RpcError(404, "x", "y"), ValueError("ours"), asyncpg.SyntaxOrAccessError()]
)
def test_what_is_no_fault_of_the_database_passes_as_it_is(error: Exception) -> None:
    """A refusal stays one, and a mistake of our own is seen as one."""
    with pytest.raises(type(error)) as caught, storage_refusals():
        raise error
    assert caught.value is error
