"""The serving role of the sales for the tests, inside of the test on a real database; Kafka is away."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from contracts.sales import SalesOfMinuteV1
from kits.kafka.security import KafkaSettings
from kits.settings import Secret
from kits.web.server.serving import Ops, serve
from services.sales.container import Container
from services.sales.main import create_app, create_ops_app
from services.sales.settings import HouseDatabaseSettings, SalesSettings
from services.sales.table.store import Position
from tests.integration.api.raw import Reply, exchange, message
from tests.waiting import patient

TOPIC_ID = UUID(int=7)


class Service:
    """The serving role, without Kafka."""

    def __init__(self, container: Container, port: int, ops_port: int) -> None:
        self.container = container
        self.port = port
        self.ops_port = ops_port

    async def get(self, query: str = "") -> Reply:
        """GET /sales."""
        return await exchange(self.port, message("GET", f"/sales{query}"))

    async def write(self, sales: Iterable[SalesOfMinuteV1], *, build: str = "v1", offset: int = 1) -> None:
        """What a follower writes of a piece of the topic."""
        await self.container.store().write(build, sales, {0: Position(TOPIC_ID, offset)})


def sales(minute: int, currency: str = "KRW", *, orders: int = 1, revenue: int = 100) -> SalesOfMinuteV1:
    """The totals of a minute of the hour."""
    return SalesOfMinuteV1(
        minute=f"2026-11-21T07:{minute:02}Z", currency=currency, orders=orders, pieces=orders, revenue=revenue
    )


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[Service]:
    """On free ports, with its tables; Kafka is away."""
    settings = SalesSettings(
        database=HouseDatabaseSettings(url=Secret(database_url)),
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    )
    container = Container(settings=settings)
    await container.history().migrate(container.engine())
    loop = asyncio.get_running_loop()
    port, ops_port, stop = loop.create_future(), loop.create_future(), asyncio.Event()
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=ops_port.set_result)
    running = asyncio.create_task(
        serve(create_app(container), host="127.0.0.1", port=0, stop=stop, ready=port.set_result, ops=ops)
    )
    try:
        async with asyncio.timeout(patient(60)):
            yield Service(container, await port, await ops_port)
    finally:
        stop.set()
        await asyncio.wait_for(running, patient(60))
