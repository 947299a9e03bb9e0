"""The settings of conduit's gateway (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.settings import is_file
from kits.web.middleware.cors import read_origins
from kits.web.server.settings import Port, ServerSettings

CLIENT_ID = "conduit-gateway"


class GatewayPlace(ServerSettings, frozen=True, kw_only=True):
    """The process and its place: group `CONDUIT_GATEWAY_…`."""

    port: Port = 8030
    ops_host: str = "127.0.0.1"
    ops_port: Port = 8031
    """Where probes and metrics are served."""
    keys_file: str = ""
    """The JSON Web Key Set with auth's public keys, as `python -m conduit auth keys DIR` writes it."""
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 3.0
    """How long all questions of one request may take together."""
    introspection: bool = False
    """Whether GraphQL tells its schema."""
    cors_allow_origins: str = ""
    """Comma-separated; `*`: everybody's."""

    @property
    def origins(self) -> frozenset[str]:
        """The list, read."""
        return read_origins(self.cors_allow_origins)


class GatewayAskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `rpc ask` reads."""

    kafka: KafkaSettings
    log: LogSettings = LogSettings()


class GatewaySettings(GatewayAskSettings, frozen=True, kw_only=True):
    """What serving reads."""

    conduit_gateway: GatewayPlace = GatewayPlace()

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found = []
        if not self.conduit_gateway.keys_file:
            found.append(
                "CONDUIT_GATEWAY_KEYS_FILE is missing: name the file gateway.json that"
                " `python -m conduit auth keys DIR` writes."
            )
        elif not is_file(self.conduit_gateway.keys_file):
            found.append("CONDUIT_GATEWAY_KEYS_FILE: there is no such file.")
        try:
            read_origins(self.conduit_gateway.cors_allow_origins)
        except ValueError as error:
            found.append(f"CONDUIT_GATEWAY_CORS_ALLOW_ORIGINS: {error}")
        return found
