"""Stream: its settings (see .env.example); it needs no database."""

from typing import Annotated

import msgspec

from contracts.topics import ORDER_EVENTS
from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.patterns import whole
from kits.schemas.settings import SchemaRegistrySettings
from kits.settings import Secret
from services.sales.builds import FIRST, BuildName

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
TopicName = Annotated[
    str, msgspec.Meta(pattern=whole("[A-Za-z0-9._-]{1,100}"), description="the name of a topic")
]
_Commit = Annotated[float, msgspec.Meta(gt=0, le=5)]


class OrdersSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the orders are found: group `SALES_ORDERS_…`."""

    topic: TopicName = ORDER_EVENTS
    """The topic of the shop's events; with another name it is the beginning of the sales' topics' names."""
    database_url: Secret = Secret("")
    """Where `verify` looks at the orders, by a role that may only read them; default: DATABASE_URL."""


class StreamPlaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The streaming role: group `SALES_STREAM_…`."""

    host: str = "127.0.0.1"
    port: Port = 8022
    """Where probes and metrics are served."""
    build: BuildName = FIRST
    """Which build this process streams; after a `rebuild --as v2`: v2."""
    large_above: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    """Orders with a greater total, in minor units of their own currency, go to `orders.large` too."""
    state_dir: str = ""
    """Where the engine keeps a copy of its state, for a quicker start; one process a folder. Default: a
    temporary folder of its own."""
    instance_id: Annotated[str, msgspec.Meta(pattern=whole("[A-Za-z0-9._-]{0,60}"))] = ""
    """A fixed name for this slot: a killed process's successor ends its transaction at once."""
    commit_seconds: _Commit = 1.0
    """How long results wait for their transaction, at most."""


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What streaming reads."""

    sales_orders: OrdersSettings = OrdersSettings()
    sales_stream: StreamPlaceSettings = StreamPlaceSettings()
    kafka: KafkaSettings
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    log: LogSettings = LogSettings()
