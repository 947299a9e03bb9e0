"""PostgreSQL pools: which connections may still be lent, and the second try on a new one."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from kits.postgres.errors import condemns_connection

T = TypeVar("T")


def watch_pool(engine: AsyncEngine) -> None:
    """See to it that nothing is lent that was opened before a fault that condemns connections."""
    event.listen(engine.sync_engine, "handle_error", _take_for_a_disconnect)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)


async def condemn(connection: AsyncConnection, lent: PoolProxiedConnection) -> None:
    """Throw a connection away, and with it every one of its pool that was opened before now.

    Those that are lent at the moment end their work first. For the driver's way: of faults on its own way the
    engine hears by itself.
    """
    # SQLAlchemy has this for its own statements only; a pool must not have two generations.
    connection.sync_engine.pool._invalidate(lent, _checkin=False)  # noqa: SLF001
    await connection.invalidate()


def may_run_again(error: BaseException) -> bool:
    """Whether a new connection may do what this one could not, without another long wait."""
    return condemns_connection(error) and not isinstance(error, TimeoutError)


async def run_again_once(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, and once more when its connection was of no use; it must bear to be done twice.

    Raises:
        What the work raises, the second time after a fault that condemned the first connection.
    """
    try:
        return await work()
    except Exception as error:
        if not may_run_again(error):
            raise
    return await work()


def _take_for_a_disconnect(context: ExceptionContext) -> None:
    """SQLAlchemy takes these errors for a statement's own, and would lend the connection again."""
    error = context.sqlalchemy_exception or context.original_exception
    if condemns_connection(error):
        context.is_disconnect = True


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """A server that went away took all its connections along: not one of them is worth a statement."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
