"""PostgreSQL connections: an engine whose every wait is bounded, by the server itself."""

from typing import Annotated

import msgspec
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kits.postgres.errors import is_out_of_step
from kits.settings import Secret

_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 15
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
        return url_problems("DATABASE_URL", self.url)


def url_problems(name: str, url: str) -> list[str]:
    """What is wrong with the address in this variable, without repeating it."""
    try:
        sqlalchemy_url(url)
    except ValueError as error:
        return [f"{name}: {error}."]
    return []


def sqlalchemy_url(url: str) -> str:
    """`postgresql://`, `postgres://` and `postgresql+asyncpg://` all mean the same here.

    Raises:
        ValueError: not a PostgreSQL address. The message does not repeat it: it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not separator or not rest:
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    try:
        return make_url(f"postgresql+asyncpg://{rest}").render_as_string(hide_password=False)
    except (ArgumentError, ValueError):
        raise ValueError("must look like postgresql://user:password@host:5432/database") from None


def create_engine(url: str, *, application_name: str, pool_size: int = 5) -> AsyncEngine:
    """An engine with at most `pool_size` connections, a 5 s bound to get one, and no values in its errors."""
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_CONNECT_SECONDS,
        pool_recycle=1800,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _COMMAND_SECONDS,
            "server_settings": {**_SESSION, "application_name": application_name},
        },
    )
    event.listen(engine.sync_engine, "handle_error", _drop_out_of_step)
    return engine


def _drop_out_of_step(context: ExceptionContext) -> None:
    """SQLAlchemy takes this error for a statement's own, and would lend the connection again."""
    if context.sqlalchemy_exception is not None and is_out_of_step(context.sqlalchemy_exception):
        context.is_disconnect = True


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
