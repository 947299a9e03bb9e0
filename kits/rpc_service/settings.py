"""RPC service, settings: the database, Kafka, and the port of the probes."""

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.postgres.address import address_problems
from kits.postgres.engine import PoolSize, SchemaName
from kits.settings import Secret
from kits.web.server.settings import Port, Seconds


class FallbackDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The database that all use who do not name their own: group `DATABASE_…`."""

    url: Secret = Secret("")
    wait_seconds: Seconds = 30.0
    """How long a start waits for a database that does not answer."""


class ServicePlace(msgspec.Struct, frozen=True, kw_only=True):
    """One service's place; a group with a prefix of its own."""

    database_url: Secret = Secret("")
    database_schema: SchemaName
    """Where its tables lie."""
    pool_size: PoolSize = 10
    """Connections for requests."""
    ops_host: str = "127.0.0.1"
    ops_port: Port
    """Where probes and metrics are served."""
    instance_id: str = ""
    """A name of its own for each process of the service: one that is back soon keeps its partitions."""

    @property
    def member_id(self) -> str | None:
        """The name, if it has one."""
        return self.instance_id or None


class ServiceDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the database. A service adds its ServicePlace."""

    database: FallbackDatabaseSettings = FallbackDatabaseSettings()
    log: LogSettings = LogSettings()

    @property
    def place(self) -> ServicePlace:
        """The group of the service."""
        return self._named_place[1]

    @property
    def database_address(self) -> Secret:
        """The service's own, else DATABASE_URL."""
        return self.place.database_url or self.database.url

    @property
    def _named_place(self) -> tuple[str, ServicePlace]:
        groups = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return next((name, group) for name, group in groups if isinstance(group, ServicePlace))

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        group, place = self._named_place
        name = f"{group.upper()}_DATABASE_URL" if place.database_url else "DATABASE_URL"
        if not self.database_address:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        return address_problems(name, self.database_address)


class ServiceKafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `rpc ask` reads."""

    kafka: KafkaSettings
    log: LogSettings = LogSettings()
