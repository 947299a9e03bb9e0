"""The settings of the worker; each command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.postgres.address import address_problems
from kits.postgres.engine import SchemaName
from kits.schemas.settings import SchemaRegistrySettings
from kits.settings import Secret

CLIENT_ID = "order-inbox"
"""Another than that of the builds that kept a ledger: by it their members are known."""
ADMIN_CLIENT_ID = "order-worker-admin"

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Partitions = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class SharedDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's database, where the inbox lives too unless it has its own: group `DATABASE_…`."""

    url: Secret = Secret("")
    schema: SchemaName = "public"
    """Where the shop's tables lie."""
    wait_seconds: Seconds = 30.0
    """How long a start waits for a database that does not answer."""


class InboxPlaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the inbox lives, if not in the shop's database, and what counts as stuck in it: `WORKER_…`."""

    database_url: Secret = Secret("")
    database_schema: SchemaName = "delivery"
    """Where the inbox's tables lie."""
    gap_wait_seconds: Seconds = 30.0
    """From when on an event that waits for a missing number counts as a gap."""


class ProcessSettings(InboxPlaceSettings, frozen=True, kw_only=True):
    """The consuming process: group `WORKER_…`."""

    host: str = "127.0.0.1"
    port: Port = 8001
    instance_id: str = ""
    """A fixed name for this slot of the group (static membership, KIP-345)."""
    max_in_flight: Count = 10_000
    """Events in memory; when they are full, reading pauses."""
    halt_seconds: Seconds = 60.0
    """How long the platform may refuse every call as wrongly addressed before the process ends with 3."""
    drain_seconds: Seconds = 25.0
    """How long SIGTERM may take; after it the process ends at once."""


class OrderTopicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The topic of the shop's events: group `ORDER_…`."""

    events_partitions: Partitions = 3
    """How many partitions it gets; more are as good."""


class InboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the inbox."""

    database: SharedDatabaseSettings = SharedDatabaseSettings()
    worker: InboxPlaceSettings = InboxPlaceSettings()
    log: LogSettings = LogSettings()

    @property
    def inbox_url(self) -> Secret:
        """Where the inbox lives: WORKER_DATABASE_URL, else DATABASE_URL."""
        return self.worker.database_url or self.database.url

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        name = "WORKER_DATABASE_URL" if self.worker.database_url else "DATABASE_URL"
        if not self.inbox_url:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        return address_problems(name, self.inbox_url)


class OffsetsSettings(InboxSettings, frozen=True, kw_only=True):
    """What `offsets` reads."""

    kafka: KafkaSettings


class MemberEventsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of the members: group `MEMBER_EVENTS_…`."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2)] = 2
    """Of their events, each in its topic; both say the same name."""


class MemberSettings(OffsetsSettings, frozen=True, kw_only=True):
    """What `members` reads."""

    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    member_events: MemberEventsSettings = MemberEventsSettings()


class WorkerSettings(MemberSettings, frozen=True, kw_only=True):
    """What every consuming process reads."""

    order: OrderTopicSettings = OrderTopicSettings()
    worker: ProcessSettings = ProcessSettings()


class NoticeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `dlq skip` and `dlq discard` read of the receiver: group `DATA_PLATFORM_…`."""

    skip_notices: bool = True


class GivingUpSettings(InboxSettings, frozen=True, kw_only=True):
    """What `dlq skip` and `dlq discard` read."""

    data_platform: NoticeSettings = NoticeSettings()
