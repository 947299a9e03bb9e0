"""The settings of auth; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.outbox.settings import OutboxSettings
from kits.postgres.engine import SchemaName
from kits.rpc_service.settings import ServiceDatabaseSettings, ServicePlace
from kits.web.server.settings import Port

CLIENT_ID = "conduit-auth"
"""Of Kafka's client, and the group's name."""


class AuthPlace(ServicePlace, frozen=True, kw_only=True):
    """The process and its place: group `CONDUIT_AUTH_…`."""

    database_schema: SchemaName = "conduit_auth"
    ops_port: Port = 8032
    keys_file: str = ""
    """The private keys that `python -m conduit auth keys` wrote."""
    token_seconds: Annotated[int, msgspec.Meta(ge=60, le=31_536_000)] = 604_800
    """For how long a token is good."""


class AuthDatabaseSettings(ServiceDatabaseSettings, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    conduit_auth: AuthPlace = AuthPlace()
    outbox: OutboxSettings = OutboxSettings()


class AuthSettings(AuthDatabaseSettings, frozen=True, kw_only=True):
    """What serving reads."""

    kafka: KafkaSettings

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        if self.conduit_auth.keys_file:
            return super().problems()
        action = "write keys by `python -m conduit auth keys DIR`, and set it to DIR/auth.json"
        return [*super().problems(), f"CONDUIT_AUTH_KEYS_FILE is missing: {action}."]
