"""Probes: is the process alive, is it ready, and what do its metrics say; open to everybody on its port."""

import time

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from kits.observability.health import Health, Status
from kits.observability.metrics import Metrics
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.query import ANY_QUERY

_ALIVE = b'{"status":"alive"}'
_RENDERED_EVERY_SECONDS = 1.0


class SharedPage:
    """The metrics as text, rendered at most once a second, whoever asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._text = b""
        self._at = float("-inf")

    def read(self) -> bytes:
        """The text, up to a second old."""
        now = time.monotonic()
        if now - self._at >= _RENDERED_EVERY_SECONDS:
            self._text, self._at = self._metrics.render(), now
        return self._text


def probe_routes(health: Health, metrics: Metrics) -> list[BaseRouteHandler]:
    """`/livez`, `/readyz` and `/metrics` for one process, without authentication.

    `/livez` is 200 whenever the event loop turns. `/readyz` answers the whole report: 200 while the process
    is ok or degraded, 503 while it is unready. `/metrics` is the Prometheus text format, up to a second old.
    """
    page = SharedPage(metrics)

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
        return BytesAnswer(page.read(), headers={"content-type": metrics.content_type})

    return [livez, readyz, scrape]
