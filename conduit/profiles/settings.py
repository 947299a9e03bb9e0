"""The settings of profiles; each command reads only what it needs (see .env.example)."""

from kits.kafka.security import KafkaSettings
from kits.postgres.engine import SchemaName
from kits.rpc_service.settings import ServiceDatabaseSettings, ServicePlace
from kits.web.server.settings import Port

CLIENT_ID = "conduit-profiles"
"""Of Kafka's client, and the group's name."""


class ProfilesPlace(ServicePlace, frozen=True, kw_only=True):
    """The process and its place: group `CONDUIT_PROFILES_…`."""

    database_schema: SchemaName = "conduit_profiles"
    ops_port: Port = 8034


class ProfilesDatabaseSettings(ServiceDatabaseSettings, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    conduit_profiles: ProfilesPlace = ProfilesPlace()


class ProfilesSettings(ProfilesDatabaseSettings, frozen=True, kw_only=True):
    """What serving reads."""

    kafka: KafkaSettings
