"""A whole application of probes alone, for a listener that serves nothing else."""

import asyncio

from litestar import Litestar

from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.middleware.turns import Turns
from kits.web.probes.routes import probe_routes
from kits.web.problems.details import Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS
from kits.web.server.serving import OPS_LIMITS, Shutdown, serve


def create_probe_app(health: Health, metrics: Metrics, turns: Turns) -> Litestar:
    """`/livez`, `/readyz` and `/metrics`, not measured themselves; every other answer is a problem detail."""
    problems = Problems(HTTP_PROBLEMS)
    app = Litestar(
        route_handlers=probe_routes(health, metrics),
        exception_handlers=problem_handlers(problems),
        openapi_config=None,
        logging_config=None,
    )
    return build_entrance(app, problems=problems, turns=turns)


class ProbeServer:
    """The only listener of a process that serves nothing but its probes."""

    def __init__(self, health: Health, metrics: Metrics, *, host: str, port: int) -> None:
        self._app = create_probe_app(health, metrics, Turns())
        self._host = host
        self._port = port

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            AddressError: nobody can listen there.
        """
        await serve(
            self._app,
            host=self._host,
            port=self._port,
            stop=stop,
            shutdown=Shutdown(drain_seconds=1.0),
            limits=OPS_LIMITS,
        )
