"""PostgreSQL connections: an engine whose every wait is bounded, by the server itself."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Annotated

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kits.postgres.address import address_problems, parse_address
from kits.postgres.connect import CONNECT_SECONDS, connect
from kits.postgres.pools import watch_pool
from kits.settings import Secret

SchemaName = Annotated[str, msgspec.Meta(pattern=r"^(?!pg_)[A-Za-z_][A-Za-z0-9_$-]{0,62}(?![\s\S])")]
"""The name of a schema, as it is spelt in the catalogue: it is always quoted."""
_AS_DECLARED: Mapping[str, str] = MappingProxyType({})
_ADDRESS = "database_address"
_SESSION = {
    # A frozen process must not hold the shop: the server ends what its client forgot, also one that does not
    # read the rows of its own statement (no statement_timeout ends a write to a client).
    "idle_in_transaction_session_timeout": "5000",
    # Between a statement's preparation and its call a session is not idle to the server (from version 17).
    "transaction_timeout": "30000",
    "tcp_user_timeout": "10000",
    "lock_timeout": "3000",
    "statement_timeout": "10000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    # Statements are prepared once per connection, and PostgreSQL keeps a plan after five uses: one from the
    # time when a table was empty reads all of it, for every order, until somebody analyses it. The statements
    # ask for few rows by an index, so a plan without the other ways is right at any size.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


PoolSize = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings group `DATABASE_…` of a process."""

    url: Secret
    schema: SchemaName = "public"
    """Where the shop's tables lie."""
    pool_size: PoolSize = 10
    """Connections for orders; as many again, of their own, for what becomes of them."""
    read_pool_size: PoolSize = 5
    """Connections for reads: never one that an order needs."""
    wait_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
    """How long a start waits for a database that does not answer."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return address_problems("DATABASE_URL", self.url)


def create_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int = 5,
    wait_seconds: float = CONNECT_SECONDS,
    schemas: Mapping[str, str] = _AS_DECLARED,
) -> AsyncEngine:
    """An engine with at most `pool_size` connections, `wait_seconds` to get one, no values in its errors.

    `schemas` says where the tables lie that are declared in another schema; every name is qualified by it.

    Raises:
        DatabaseAddressError: `url` is not an address.
    """
    address = parse_address(url)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, address, application_name=application_name, session=_SESSION),
        execution_options={_ADDRESS: address.where, **_elsewhere(schemas)},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_recycle=1800,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )
    watch_pool(engine)
    return engine


def _elsewhere(schemas: Mapping[str, str]) -> dict[str, object]:
    """The engine's own option, and none where all is as declared: that way costs nothing."""
    moved = {declared: actual for declared, actual in schemas.items() if declared != actual}
    return {"schema_translate_map": moved} if moved else {}


def where(engine: AsyncEngine) -> str:
    """`host:5432/database` of its address, for people; no secret in it."""
    return str(engine.sync_engine.get_execution_options()[_ADDRESS])


class EnginePools:
    """All pools of a process; a part of its lifecycle that ends after those that use them."""

    def __init__(self, engines: Sequence[AsyncEngine]) -> None:
        self._engines = engines

    async def start(self) -> None:
        """Nothing: a pool opens its connections when they are needed."""

    async def stop(self) -> None:
        """Close every connection that is not lent."""
        for engine in self._engines:
            await engine.dispose()


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
