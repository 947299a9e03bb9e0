"""The settings of the worker; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.patterns import whole
from kits.postgres.address import address_problems
from kits.postgres.engine import SchemaName
from kits.settings import Secret
from worker.platform_address import is_authority_file, sends_in_plain_text

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Partitions = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(r"https?://[^\s/?#]+(/[^\s?#]*)?"),
        description="an address that begins with http:// or https://, without query or fragment",
    ),
]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class SharedDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's database, where the ledger lives too unless it has its own: group `DATABASE_…`."""

    url: Secret = Secret("")
    wait_seconds: Seconds = 30.0
    """How long a start waits for a database that does not answer."""


class LedgerPlaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ledger lives, if not in the shop's database: group `WORKER_…`."""

    database_url: Secret = Secret("")
    database_schema: SchemaName = "delivery"
    """Where the ledger's tables lie."""


class ProcessSettings(LedgerPlaceSettings, frozen=True, kw_only=True):
    """The consuming process: group `WORKER_…`."""

    host: str = "127.0.0.1"
    port: Port = 8001
    instance_id: str = ""
    """A fixed name for this slot of the group (static membership, KIP-345)."""
    max_in_flight: Count = 5_000
    """Events in memory per partition; over it the partition is paused."""
    gap_wait_seconds: Seconds = 30.0
    """How long an event that follows a gap waits before its order is blocked."""
    halt_seconds: Seconds = 60.0
    """How long the platform may refuse every call as wrongly addressed before the process ends with 3."""
    drain_seconds: Seconds = 25.0
    """How long SIGTERM may take; after it the process ends at once."""


class OrderTopicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The topic of the shop's events: group `ORDER_…`."""

    events_partitions: Partitions = 3
    """How many partitions it gets; more are as good."""


class DataPlatformSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver: group `DATA_PLATFORM_…`."""

    url: Address
    token: Secret = Secret("")
    allow_plaintext_token: bool = False
    """Whether the token may go over http:// to another machine."""
    ca_file: str = ""
    """PEM file of the authority that signed its certificate; empty: the system's."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """Events per call; 1: always the single call."""
    batch_calls: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    single_calls: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    skip_notices: bool = True
    """Whether it is told of a number that an operator has given up, by order.event_skipped."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found: list[str] = []
        if self.token and not self.allow_plaintext_token and sends_in_plain_text(self.url):
            found.append(
                "DATA_PLATFORM_TOKEN would go over http:// in plain text: use https://, or set"
                " DATA_PLATFORM_ALLOW_PLAINTEXT_TOKEN=true for a network that you trust wholly."
            )
        if self.ca_file and not is_authority_file(self.ca_file):
            found.append("DATA_PLATFORM_CA_FILE: there is no PEM file with certificates.")
        return found


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the ledger."""

    database: SharedDatabaseSettings = SharedDatabaseSettings()
    worker: LedgerPlaceSettings = LedgerPlaceSettings()
    log: LogSettings = LogSettings()

    @property
    def ledger_url(self) -> Secret:
        """Where the ledger lives: WORKER_DATABASE_URL, else DATABASE_URL."""
        return self.worker.database_url or self.database.url

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        name = "WORKER_DATABASE_URL" if self.worker.database_url else "DATABASE_URL"
        if not self.ledger_url:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        return address_problems(name, self.ledger_url)


class OffsetsSettings(LedgerSettings, frozen=True, kw_only=True):
    """What `offsets` reads."""

    kafka: KafkaSettings


class WorkerSettings(LedgerSettings, frozen=True, kw_only=True):
    """What consuming reads."""

    kafka: KafkaSettings
    order: OrderTopicSettings = OrderTopicSettings()
    data_platform: DataPlatformSettings
    worker: ProcessSettings = ProcessSettings()


class NoticeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `dlq skip` and `dlq discard` read of the receiver: group `DATA_PLATFORM_…`."""

    skip_notices: bool = True


class GivingUpSettings(LedgerSettings, frozen=True, kw_only=True):
    """What `dlq skip` and `dlq discard` read."""

    data_platform: NoticeSettings = NoticeSettings()
