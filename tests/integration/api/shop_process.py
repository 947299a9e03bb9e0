"""The shop in memory as a process of its own: prints its port, serves until a signal; orders never end."""

import asyncio
from typing import Any

import uvloop

from app.main import create_app
from kits.observability.logs import configure_logging
from kits.process.signals import stop_on_signals
from kits.web.server.serving import Shutdown, serve
from tests.unit.api.in_memory_shop import InMemoryShop, container_of


class EndlessShop(InMemoryShop):
    """A shop that says when an order came, and never answers it."""

    async def create_orders(self, commands: Any) -> Any:
        print("order", flush=True)  # noqa: T201
        await asyncio.Event().wait()


async def main() -> None:
    """Serve."""
    with stop_on_signals() as stop:
        await serve(
            create_app(container_of(EndlessShop())),
            host="127.0.0.1",
            port=0,
            stop=stop.asked,
            at_once=stop.at_once,
            ready=lambda port: print(port, flush=True),  # noqa: T201
            shutdown=Shutdown(drain_seconds=60.0),
        )


if __name__ == "__main__":
    configure_logging(process="api")
    uvloop.run(main())
