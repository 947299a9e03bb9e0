"""The settings of the order service; each command reads only what it needs (see .env.example)."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from kits.kafka.security import KafkaSecurity, Mechanism, Protocol
from kits.postgres.engine import sqlalchemy_url
from kits.settings import Secret

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
MINIMUM_SECRET_BYTES = 32


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process logs."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    log_file: str = ""


class TokenSettings(LogSettings, frozen=True, kw_only=True):
    """What makes a development token."""

    jwt_secret: Secret
    jwt_issuer: str = "order-pipeline"
    jwt_audience: str = "orders"

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return _secret_problems(self.jwt_secret)


class DatabaseSettings(LogSettings, frozen=True, kw_only=True):
    """What `migrate` and `seed` need: the shop's database."""

    database_url: Secret
    database_pool_size: Count = 10
    database_wait_seconds: Seconds = 30.0
    """How long a start waits for a database that does not answer."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        try:
            sqlalchemy_url(self.database_url)
        except ValueError as error:
            return [f"DATABASE_URL: {error}."]
        return []


class AppSettings(DatabaseSettings, frozen=True, kw_only=True):
    """What serving needs. Times in seconds."""

    kafka_bootstrap_servers: str
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: Secret = Secret("")
    kafka_ssl_ca_file: str = ""
    kafka_ssl_cert_file: str = ""
    kafka_ssl_key_file: str = ""
    kafka_allow_plaintext_sasl: bool = False
    jwt_secret: Secret = Secret("")
    jwt_jwks_file: str = ""
    jwt_issuer: str = "order-pipeline"
    jwt_audience: str = "orders"
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_drain_seconds: Seconds = 20.0
    rate_limit_per_second: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 0.0
    """Requests per subject in each process; as many at once. 0: no limit."""
    order_ttl_seconds: Count = 900
    outbox_lease_seconds: Annotated[float, msgspec.Meta(ge=5, le=300)] = 10.0
    outbox_retention_days: Count = 30

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How to reach the brokers."""
        return KafkaSecurity(
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            sasl_username=self.kafka_sasl_username,
            sasl_password=self.kafka_sasl_password,
            ssl_ca_file=self.kafka_ssl_ca_file,
            ssl_cert_file=self.kafka_ssl_cert_file,
            ssl_key_file=self.kafka_ssl_key_file,
            allow_plaintext_sasl=self.kafka_allow_plaintext_sasl,
        )

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found = [*super().problems(), *self.kafka_security.problems()]
        if not self.jwt_secret and not self.jwt_jwks_file:
            found.append("JWT_SECRET or JWT_JWKS_FILE is missing: one of them must verify the tokens.")
        if self.jwt_secret:
            found += _secret_problems(self.jwt_secret)
        if self.jwt_jwks_file and not Path(self.jwt_jwks_file).is_file():
            found.append("JWT_JWKS_FILE: there is no such file.")
        return found


def _secret_problems(secret: Secret) -> list[str]:
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        return [f"JWT_SECRET: must have at least {MINIMUM_SECRET_BYTES} bytes (try: openssl rand -hex 32)."]
    return []
