"""The settings of the order service; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.outbox.settings import OutboxSettings
from kits.postgres.engine import DatabaseSettings
from kits.schemas.settings import EventFormat, SchemaRegistrySettings, registry_problems
from kits.settings import Secret
from kits.web.addresses import is_base_address, sends_in_plain_text
from kits.web.middleware.cors import read_origins
from kits.web.server.connections import ConnectionLimits
from kits.web.server.settings import Port, ServerSettings
from kits.web.tokens.settings import SigningSettings, TokenSettings

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
NoneOrMore = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class ApiSettings(ServerSettings, frozen=True, kw_only=True):
    """Where the API listens: group `API_…`."""

    port: Port = 8000


class OpsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where probes and metrics are served: group `OPS_…`."""

    host: str = "127.0.0.1"
    port: Port = 8003


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's own rules: group `ORDER_…`."""

    ttl_seconds: Count = 900
    """How long an order waits for its payment."""
    events_partitions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 3
    """How many partitions the topic of the events gets; more are as good."""


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where orders wait for a transaction: group `INTAKE_…`."""

    queue_size: Count = 2000
    """Orders that may wait; more are refused with 503."""


class RateLimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often one customer may ask: group `RATE_LIMIT_…`."""

    per_second: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 0.0
    """Requests per subject in each process, and as many at once; 0: no limit."""


class CorsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whose pages a browser lets read the answers: group `CORS_…`."""

    allow_origins: str = ""
    """Comma-separated; `*`: everybody's."""

    @property
    def origins(self) -> frozenset[str]:
        """The list, read."""
        return read_origins(self.allow_origins)

    def problems(self) -> list[str]:
        """What is wrong with the values; one sentence each."""
        try:
            read_origins(self.allow_origins)
        except ValueError as error:
            return [f"CORS_ALLOW_ORIGINS: {error}"]
        return []


class MemberApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The Member API, which knows sellers' names: group `MEMBER_API_…`."""

    url: str = ""
    """Empty: it is never called."""
    token: Secret = Secret("")

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        if self.url and not is_base_address(self.url):
            return ["MEMBER_API_URL: must be an address like https://members.example, without query."]
        if self.token and sends_in_plain_text(self.url):
            return ["MEMBER_API_TOKEN would go over http:// in plain text: use https://."]
        return []


class TokenCommandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `token` reads."""

    jwt: SigningSettings
    log: LogSettings = LogSettings()


class DatabaseCommandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    database: DatabaseSettings
    log: LogSettings = LogSettings()


class KafkaCommandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only speak to Kafka."""

    kafka: KafkaSettings
    log: LogSettings = LogSettings()


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What serving reads."""

    database: DatabaseSettings
    kafka: KafkaSettings
    jwt: TokenSettings
    api: ApiSettings = ApiSettings()
    ops: OpsSettings = OpsSettings()
    max_connections: Count = 1000
    """Of the shop's port; the longest unused make room for new ones."""
    max_connections_per_address: NoneOrMore = 0
    """0: no limit. Behind a proxy all connections come from its addresses."""
    rate_limit: RateLimitSettings = RateLimitSettings()
    cors: CorsSettings = CorsSettings()
    intake: IntakeSettings = IntakeSettings()
    order: OrderSettings = OrderSettings()
    max_open_orders: NoneOrMore = 0
    """Orders of one customer that may wait for their payment at a time; 0: no limit."""
    orders_self_pay: bool = False
    """Whether customers may pay their own orders without a payment provider, for demonstrations."""
    orders_rpc: bool = False
    """Whether other services may place orders over Kafka, for any customer (the topic `orders.create`)."""
    outbox: OutboxSettings = OutboxSettings()
    event_format: EventFormat = "json"
    """In which form events go to Kafka: json or avro. Readers understand both at any time."""
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    member_api: MemberApiSettings = MemberApiSettings()
    log: LogSettings = LogSettings()

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return registry_problems(self.event_format, self.schema_registry)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What the shop's port allows."""
        return self.api.limits(connections=self.max_connections, per_address=self.max_connections_per_address)
