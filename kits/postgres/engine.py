"""PostgreSQL connections: an engine whose every wait is bounded, by the server itself."""

from functools import partial
from typing import Annotated

import msgspec
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kits.postgres.address import address_problems, parse_address
from kits.postgres.connect import CONNECT_SECONDS, connect
from kits.postgres.errors import is_out_of_step
from kits.settings import Secret

_ADDRESS = "database_address"
_SESSION = {
    # A frozen process must not hold the shop: the server ends what its client forgot.
    "idle_in_transaction_session_timeout": "5000",
    "lock_timeout": "3000",
    "statement_timeout": "10000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
}


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings group `DATABASE_…` of a process."""

    url: Secret
    pool_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    wait_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
    """How long a start waits for a database that does not answer."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return address_problems("DATABASE_URL", self.url)


def create_engine(url: str, *, application_name: str, pool_size: int = 5) -> AsyncEngine:
    """An engine with at most `pool_size` connections, a 5 s bound to get one, and no values in its errors.

    Raises:
        DatabaseAddressError: `url` is not an address.
    """
    address = parse_address(url)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, address, application_name=application_name, session=_SESSION),
        execution_options={_ADDRESS: address.where},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_recycle=1800,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )
    event.listen(engine.sync_engine, "handle_error", _drop_out_of_step)
    return engine


def where(engine: AsyncEngine) -> str:
    """`host:5432/database` of its address, for people; no secret in it."""
    return str(engine.sync_engine.get_execution_options()[_ADDRESS])


def _drop_out_of_step(context: ExceptionContext) -> None:
    """SQLAlchemy takes this error for a statement's own, and would lend the connection again."""
    if context.sqlalchemy_exception is not None and is_out_of_step(context.sqlalchemy_exception):
        context.is_disconnect = True


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
