"""Worker settings: what `python -m worker` reads from its environment."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from kits.kafka.security import KafkaSecurity, Mechanism, Protocol
from kits.postgres.engine import sqlalchemy_url
from kits.settings import Secret, SettingsError, read_settings

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Address = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$(?!\n)")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every command needs: the logs, and the database that holds the schema `delivery`."""

    database_url: Secret = Secret("")
    worker_database_url: Secret = Secret("")
    log_level: Level = "info"
    log_format: Format = "console"
    log_file: str = ""

    @property
    def ledger_url(self) -> Secret:
        """Where the ledger lives: WORKER_DATABASE_URL, else DATABASE_URL."""
        return self.worker_database_url or self.database_url

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        name = "WORKER_DATABASE_URL" if self.worker_database_url else "DATABASE_URL"
        if not self.ledger_url:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        try:
            sqlalchemy_url(self.ledger_url)
        except ValueError as error:
            return [f"{name}: {error}."]
        return []


class KafkaSettings(LedgerSettings, frozen=True, kw_only=True):
    """How to reach the brokers safely."""

    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: Secret = Secret("")
    kafka_ssl_ca_file: str = ""
    kafka_ssl_cert_file: str = ""
    kafka_ssl_key_file: str = ""
    kafka_allow_plaintext_sasl: bool = False

    @property
    def kafka_security(self) -> KafkaSecurity:
        """These settings as the Kafka kit takes them."""
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
        return [*super().problems(), *self.kafka_security.problems()]


class WorkerSettings(KafkaSettings, frozen=True, kw_only=True):
    """What the consuming process needs. Times in seconds."""

    kafka_bootstrap_servers: str
    data_platform_url: Address
    data_platform_token: Secret = Secret("")
    data_platform_batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    data_platform_batch_calls: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    data_platform_single_calls: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    worker_host: str = "127.0.0.1"
    worker_port: Port = 8001
    worker_instance_id: str = ""
    worker_max_in_flight: Count = 5_000
    worker_gap_wait_seconds: Seconds = 30.0
    worker_drain_seconds: Seconds = 28.0
    worker_database_wait_seconds: Seconds = 30.0


def read_worker_settings(environment: Mapping[str, str]) -> WorkerSettings:
    """Read everything that consuming needs.

    Raises:
        SettingsError: with all problems, also those between fields while others are missing.
    """
    problems: dict[str, None] = {}
    for part in (LedgerSettings, KafkaSettings):
        try:
            read_settings(part, environment)
        except SettingsError as error:
            problems |= dict.fromkeys(error.problems)
    try:
        settings = read_settings(WorkerSettings, environment)
    except SettingsError as error:
        raise SettingsError([*(problems | dict.fromkeys(error.problems))]) from error
    return settings
