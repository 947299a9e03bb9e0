"""A server of one test, with both listeners, on a shop in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.main import create_app, create_ops_app
from kits.observability.health import Health
from kits.web.server.serving import Ops, serve
from tests.integration.api.raw import message
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of
from tests.waiting import eventually

ORDER = b'{"items":[{"productId":"p-1","quantity":1}]}'


class Running:
    """A server of one test."""

    def __init__(self, shop: InMemoryShop, **options: Any) -> None:
        container = container_of(shop)
        self.stop = asyncio.Event()
        self.health: Health = container.health()
        self.port = self.ops_port = 0
        ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=self.ops_ready)
        self.task = asyncio.create_task(
            serve(
                create_app(container),
                **{"host": "127.0.0.1", "port": 0, "stop": self.stop, "ready": self.ready, **options},
                draining=self.health.drain,
                ops=ops,
            )
        )

    def ready(self, port: int) -> None:
        self.port = port

    def ops_ready(self, port: int) -> None:
        self.ops_port = port

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 20)


@asynccontextmanager
async def running(shop: InMemoryShop, **options: Any) -> AsyncIterator[Running]:
    """Started, and ended after the block unless that has been done."""
    server = Running(shop, **options)
    await eventually(lambda: server.port or server.task.done())
    try:
        yield server
    finally:
        if not server.task.done():
            await server.end()


def an_order() -> bytes:
    """The bytes of a good one."""
    return message(
        "POST", "/orders", ORDER, content_type="application/json", authorization=f"Bearer {a_token()}"
    )


class SlowShop(InMemoryShop):
    """A shop that takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()

    async def create_orders(self, commands: Any) -> Any:
        """Wait for the test."""
        self.entered.set()
        await self.leave.wait()
        return await super().create_orders(commands)
