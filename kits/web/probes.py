"""Probes: is the process alive, is it ready, and what do its metrics say; a whole application of its own."""

import asyncio
import time
from dataclasses import dataclass

import msgspec
from litestar import Litestar, get
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from kits.observability.health import Health, Status
from kits.observability.metrics import Metrics
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.query import ANY_QUERY
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.middleware.turns import Turns
from kits.web.problems.details import Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS
from kits.web.server.serving import OPS_LIMITS, Shutdown, serve

_ALIVE = b'{"status":"alive"}'
_RENDERED_EVERY_SECONDS = 1.0


def create_probe_app(health: Health, metrics: Metrics, turns: Turns) -> Litestar:
    """`/livez`, `/readyz` and `/metrics`, open to everybody on its port, and not measured themselves.

    `/livez` is 200 whenever the event loop turns. `/readyz` answers the whole report: 200 while the process
    is ok or degraded, 503 while it is unready. `/metrics` is the Prometheus text format, up to a second old.
    Every other answer is a problem detail.
    """
    problems = Problems(HTTP_PROBLEMS)
    app = Litestar(
        route_handlers=_routes(health, metrics),
        exception_handlers=problem_handlers(problems),
        openapi_config=None,
        logging_config=None,
    )
    return build_entrance(app, problems=problems, turns=turns)


@dataclass(frozen=True, slots=True)
class ProbeServer:
    """The only listener of a process that serves nothing but its probes."""

    health: Health
    metrics: Metrics
    host: str
    port: int

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            AddressError: nobody can listen there.
        """
        app = create_probe_app(self.health, self.metrics, Turns())
        last = Shutdown(drain_seconds=1.0)
        await serve(app, host=self.host, port=self.port, stop=stop, shutdown=last, limits=OPS_LIMITS)


class _SharedPage:
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


def _routes(health: Health, metrics: Metrics) -> list[BaseRouteHandler]:
    page = _SharedPage(metrics)

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
