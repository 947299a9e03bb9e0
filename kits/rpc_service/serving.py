"""RPC service, life: the database first, then requests; a signal drains them, and the probes end last."""

import asyncio
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.observability.health import Health
from kits.observability.logs import get_logger
from kits.observability.metrics import Metrics
from kits.postgres.engine import EnginePools
from kits.postgres.readiness import reachable_before
from kits.process.lifecycle import Lifecycle
from kits.process.signals import stop_on_signals
from kits.rpc_service.settings import ServiceDatabaseSettings
from kits.web.probes import ProbeServer

log = get_logger(__name__)


class ServiceParts(Protocol):
    """What serving needs of a service's container."""

    def engine(self) -> AsyncEngine: ...

    def pools(self) -> EnginePools: ...

    def lifecycle(self) -> Lifecycle: ...

    def health(self) -> Health: ...

    def metrics(self) -> Metrics: ...


async def serve_requests(parts: ServiceParts, settings: ServiceDatabaseSettings) -> int:
    """Serve until a signal; 0.

    Raises:
        AddressError: nobody can listen where the probes are to be.
        DatabaseUnreachableError: the database did not answer in time.
    """
    place = settings.place
    end = asyncio.Event()
    with stop_on_signals() as stop:
        probes = ProbeServer(parts.health(), parts.metrics(), place.ops_host, place.ops_port)
        probing = asyncio.create_task(probes.run(end), name="probes")
        stopping = asyncio.create_task(stop.asked.wait(), name="stop")
        try:
            wait_seconds = settings.database.wait_seconds
            if await reachable_before(stop.asked, parts.engine(), within_seconds=wait_seconds):
                async with parts.lifecycle().running():
                    log.info("service_started", ops_port=place.ops_port)
                    await asyncio.wait({probing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    # Unready first: whoever looks while requests end sees it.
                    parts.health().drain()
        finally:
            stopping.cancel()
            end.set()
            await parts.pools().stop()
            await probing
    log.info("service_stopped")
    return 0
