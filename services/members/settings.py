"""The settings of the Member API; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.outbox.settings import OutboxSettings
from kits.postgres.address import address_problems
from kits.postgres.engine import SchemaName
from kits.schemas.settings import EventFormat, SchemaRegistrySettings, registry_problems
from kits.settings import Secret
from kits.web.server.settings import Port, ServerSettings
from kits.web.tokens.settings import TokenSettings

CLIENT_ID = "member-api"
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class HouseDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's database, where the members live too unless they have their own: group `DATABASE_…`."""

    url: Secret = Secret("")
    wait_seconds: _Seconds = 30.0
    """How long a start waits for a database that does not answer."""


class ProcessSettings(ServerSettings, frozen=True, kw_only=True):
    """The process and its place: group `MEMBERS_…`."""

    port: Port = 8010
    ops_host: str = "127.0.0.1"
    ops_port: Port = 8011
    """Where probes and metrics are served."""
    database_url: Secret = Secret("")
    database_schema: SchemaName = "members"
    """Where the members' tables lie."""
    publish_v1: bool = True
    """Whether changes are told in version 1 too; false when its last reader has moved to version 2."""


class MembersDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    database: HouseDatabaseSettings = HouseDatabaseSettings()
    members: ProcessSettings = ProcessSettings()
    outbox: OutboxSettings = OutboxSettings()
    log: LogSettings = LogSettings()

    @property
    def members_url(self) -> Secret:
        """Where the members live: MEMBERS_DATABASE_URL, else DATABASE_URL."""
        return self.members.database_url or self.database.url

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        name = "MEMBERS_DATABASE_URL" if self.members.database_url else "DATABASE_URL"
        if not self.members_url:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        return address_problems(name, self.members_url)


class MembersSettings(MembersDatabaseSettings, frozen=True, kw_only=True):
    """What serving reads."""

    kafka: KafkaSettings
    jwt: TokenSettings
    event_format: EventFormat = "json"
    """In which form events go to Kafka: json or avro. Readers understand both at any time."""
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return [*super().problems(), *registry_problems(self.event_format, self.schema_registry)]
