"""The settings of the order service; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.postgres.engine import DatabaseSettings
from kits.settings import Secret, is_file
from kits.web.addresses import is_base_address, sends_in_plain_text
from kits.web.middleware.cors import read_origins
from kits.web.tokens.key_address import key_address_problems

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Lifetime = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
NoneOrMore = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
MINIMUM_SECRET_BYTES = 32


class SigningSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a development token: group `JWT_…`."""

    secret: Secret
    issuer: str = "order-pipeline"
    audience: str = "orders"
    type: str = ""
    max_lifetime_seconds: Lifetime = 0

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return _secret_problems(self.secret)


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What verifies tokens: group `JWT_…`."""

    secret: Secret = Secret("")
    jwks_file: str = ""
    jwks_url: str = ""
    issuer: str = "order-pipeline"
    audience: str = "orders"
    type: str = ""
    """The `typ` that the header of a token must have, for example at+jwt; empty: any."""
    max_lifetime_seconds: Lifetime = 0
    """The longest time between `iat` and `exp`; 0: any."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found = _secret_problems(self.secret) if self.secret else []
        if not self.secret and not self.jwks_file and not self.jwks_url:
            found.append(
                "JWT_SECRET or JWT_JWKS_FILE or JWT_JWKS_URL is missing: one of them must verify the tokens."
            )
        if self.jwks_file and not is_file(self.jwks_file):
            found.append("JWT_JWKS_FILE: there is no such file.")
        if self.jwks_url:
            found += key_address_problems("JWT_JWKS_URL", self.jwks_url)
        return found


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API listens: group `API_…`."""

    host: str = "127.0.0.1"
    port: Port = 8000
    shutdown_delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0
    """How long an unready process serves on after SIGTERM, for balancers to notice."""
    drain_seconds: Seconds = 12.0
    """How long requests in flight may take after that."""
    keep_alive_seconds: Seconds = 75.0
    """How long a connection may be idle: longer than a balancer keeps it, or it sends into a closed one."""
    receive_seconds: Seconds = 10.0
    """How long a request may take to arrive."""


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


class OutboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The way from commit to Kafka: group `OUTBOX_…`."""

    lease_seconds: Annotated[float, msgspec.Meta(ge=5, le=300)] = 10.0
    """For how long an event belongs to the process that recorded or claimed it."""
    retention_days: Count = 30
    """How long published events are kept."""


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
    """The members' service, which knows sellers' names: group `MEMBER_API_…`."""

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
    outbox: OutboxSettings = OutboxSettings()
    member_api: MemberApiSettings = MemberApiSettings()
    log: LogSettings = LogSettings()


def _secret_problems(secret: Secret) -> list[str]:
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        return [f"JWT_SECRET: must have at least {MINIMUM_SECRET_BYTES} bytes (try: openssl rand -hex 32)."]
    return []
