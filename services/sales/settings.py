"""The settings of the sales; each role and command reads only what it needs (see .env.example)."""

from typing import Annotated

import msgspec

from kits.kafka.security import KafkaSettings
from kits.observability.logs import LogSettings
from kits.postgres.address import address_problems
from kits.postgres.engine import SchemaName
from kits.settings import Secret
from kits.web.server.settings import Port, ServerSettings
from services.sales.stream.settings import OrdersSettings, StreamPlaceSettings

_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class HouseDatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's database, where the sales lie too unless they have their own: group `DATABASE_…`."""

    url: Secret = Secret("")
    schema: SchemaName = "public"
    """Where the shop's tables lie."""
    wait_seconds: _Seconds = 30.0
    """How long a start waits for a database that does not answer."""


class TablePlaceSettings(ServerSettings, frozen=True, kw_only=True):
    """The serving role and the table: group `SALES_…`."""

    port: Port = 8020
    ops_host: str = "127.0.0.1"
    ops_port: Port = 8021
    """Where probes and metrics are served."""
    database_url: Secret = Secret("")
    database_schema: SchemaName = "analytics"
    """Where the tables lie."""


class TableSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    database: HouseDatabaseSettings = HouseDatabaseSettings()
    sales: TablePlaceSettings = TablePlaceSettings()
    sales_orders: OrdersSettings = OrdersSettings()
    log: LogSettings = LogSettings()

    @property
    def sales_url(self) -> Secret:
        """Where the sales lie: SALES_DATABASE_URL, else DATABASE_URL."""
        return self.sales.database_url or self.database.url

    @property
    def orders_url(self) -> Secret:
        """Where the orders lie: SALES_ORDERS_DATABASE_URL, else DATABASE_URL."""
        return self.sales_orders.database_url or self.database.url

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        name = "SALES_DATABASE_URL" if self.sales.database_url else "DATABASE_URL"
        if not self.sales_url:
            return [f"{name} is missing: set it in the environment (see .env.example)."]
        found = address_problems(name, self.sales_url)
        if self.sales_orders.database_url:
            found += address_problems("SALES_ORDERS_DATABASE_URL", self.sales_orders.database_url)
        return found


class SalesSettings(TableSettings, frozen=True, kw_only=True):
    """What serving reads."""

    kafka: KafkaSettings


class RebuildSettings(SalesSettings, frozen=True, kw_only=True):
    """What `rebuild` reads; and all that there is."""

    sales_stream: StreamPlaceSettings = StreamPlaceSettings()
