"""Core statements on the driver: what they read, and what a broken connection leaves behind."""

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import Integer

from kits.postgres.driver import DriverStatement, driver_connection, driver_transaction
from kits.postgres.errors import Fault, fault_of

_DOUBLE = DriverStatement(select(bindparam("number", type_=Integer) * 2, func.length("fixed")))
_BACKEND = DriverStatement(select(func.pg_backend_pid()))
_TERMINATE = DriverStatement(select(func.pg_terminate_backend(func.pg_backend_pid())))
_DIVIDE = DriverStatement(select(bindparam("number", type_=Integer) / 0))


async def test_named_values_reach_their_numbers_and_fixed_ones_need_no_name(engine: AsyncEngine) -> None:
    """A value that was forgotten is an error, not NULL."""
    async with driver_connection(engine) as connection:
        assert [tuple(row) for row in await connection.fetch(_DOUBLE, {"number": 21})] == [(42, 5)]
        with pytest.raises(KeyError):
            await connection.fetch(_DOUBLE)


async def test_a_transaction_commits_at_its_end_and_an_exception_rolls_it_back(engine: AsyncEngine) -> None:
    """As the engine's own transactions do."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE kept (number integer)"))
    keep = DriverStatement(text("INSERT INTO kept VALUES (:number)"))
    async with driver_transaction(engine) as driver:
        await driver.fetch(keep, {"number": 1})
    with pytest.raises(asyncpg.DivisionByZeroError) as refused:
        await _keep_and_fail(engine, keep)
    assert fault_of(refused.value) is Fault.DEFINITE
    async with engine.connect() as reading:
        assert [tuple(row) for row in await reading.execute(text("SELECT number FROM kept"))] == [(1,)]


async def _keep_and_fail(engine: AsyncEngine, keep: DriverStatement) -> None:
    async with driver_transaction(engine) as driver:
        await driver.fetch(keep, {"number": 2})
        await driver.fetch(_DIVIDE, {"number": 1})


async def _lose_the_connection(engine: AsyncEngine) -> None:
    async with driver_transaction(engine) as connection:
        await connection.fetch(_TERMINATE)
        await connection.fetch(_BACKEND)


async def test_a_connection_that_was_lost_is_an_outage_and_is_never_lent_again(engine: AsyncEngine) -> None:
    """The next transaction gets another one."""
    async with driver_transaction(engine) as connection:
        ((lost,),) = await connection.fetch(_BACKEND)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as gone:
        await _lose_the_connection(engine)
    assert fault_of(gone.value) is Fault.OUTAGE
    async with driver_transaction(engine) as connection:
        ((other,),) = await connection.fetch(_BACKEND)
    assert other != lost


async def test_a_value_that_cannot_be_sent_is_definite(engine: AsyncEngine) -> None:
    """Sending it again would fail again."""
    async with driver_connection(engine) as connection:
        with pytest.raises(asyncpg.DataError) as refused:
            await connection.fetch(_DOUBLE, {"number": 2**40})
    assert fault_of(refused.value) is Fault.DEFINITE
