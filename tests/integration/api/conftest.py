"""The real application on a real socket, one server per module; behind it a shop in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from app.main import create_app, create_ops_app
from kits.web.server.connections import ConnectionLimits
from kits.web.server.serving import Ops, serve
from tests.integration.api.raw import Reply, exchange, message
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of
from tests.waiting import patient

QUICK = ConnectionLimits(receive_seconds=1.0)


@dataclass(slots=True)
class Shop:
    """A running shop and how to talk to it."""

    port: int
    ops_port: int
    behind: InMemoryShop
    token: str = field(default_factory=a_token)

    async def send(self, sent: bytes) -> Reply:
        """The answer to these bytes."""
        return await exchange(self.port, sent)

    async def get(self, path: str, **headers: str) -> Reply:
        """GET with the customer's token."""
        named = {"authorization": f"Bearer {self.token}", **headers}
        return await self.send(message("GET", path, b"", **named))

    def order_message(self, body: bytes, **headers: str) -> bytes:
        """The bytes of POST /orders with the customer's token."""
        named = {"content_type": "application/json", "authorization": f"Bearer {self.token}", **headers}
        return message("POST", "/orders", body, **named)

    async def order(self, body: bytes, **headers: str) -> Reply:
        """POST /orders."""
        return await self.send(self.order_message(body, **headers))


@asynccontextmanager
async def a_served_shop(*, self_pay: bool = False) -> AsyncIterator[Shop]:
    """The shop on a free port."""
    behind = InMemoryShop()
    loop = asyncio.get_running_loop()
    port, ops_port = loop.create_future(), loop.create_future()
    stop = asyncio.Event()
    container = container_of(behind, self_pay=self_pay)
    app = create_app(container)
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=ops_port.set_result)
    serving = asyncio.create_task(
        serve(app, host="127.0.0.1", port=0, stop=stop, ready=port.set_result, limits=QUICK, ops=ops)
    )
    async with asyncio.timeout(patient(60)):
        ports = await port, await ops_port
    yield Shop(*ports, behind)
    stop.set()
    await asyncio.wait_for(serving, patient(60))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Shop]:
    """The shop, for one module."""
    async with a_served_shop() as shop:
        yield shop


@pytest.fixture
def shop(served: Shop) -> Shop:
    """The running shop, as if new."""
    served.behind.__init__()  # type: ignore[misc]
    served.behind.running = True
    return served
