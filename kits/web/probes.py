"""Probes: is the process alive, is it ready, and what do its metrics say; open to everybody on its port."""

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from kits.observability.health import Health, Status
from kits.observability.metrics import Metrics
from kits.web.asgi_answers import BytesAnswer
from kits.web.query import ANY_QUERY

_ALIVE = b'{"status":"alive"}'


def probe_routes(health: Health, metrics: Metrics) -> list[BaseRouteHandler]:
    """`/livez`, `/readyz` and `/metrics` for one process, without authentication.

    `/livez` is 200 whenever the event loop turns. `/readyz` answers the whole report: 200 while the process
    is ok or degraded, 503 while it is unready. `/metrics` is the Prometheus text format.
    """

    @get("/livez", tags=["probes"], include_in_schema=False, opt=ANY_QUERY)
    async def livez() -> ASGIApp:
        return BytesAnswer(_ALIVE)

    @get("/readyz", tags=["probes"], include_in_schema=False, opt=ANY_QUERY)
    async def readyz() -> ASGIApp:
        report = await health.report()
        status = 503 if report.status is Status.UNREADY else 200
        return BytesAnswer(msgspec.json.encode(report), status=status)

    @get("/metrics", include_in_schema=False, opt=ANY_QUERY)
    async def scrape() -> ASGIApp:
        return BytesAnswer(metrics.render(), headers={"content-type": metrics.content_type})

    return [livez, readyz, scrape]
