"""Entrance for operators: the probes and metrics of the worker, on a port of its own."""

from litestar import Litestar

from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.web.probes import probe_routes


def create_admin_app(health: Health, metrics: Metrics) -> Litestar:
    """A Litestar application with /livez, /readyz and /metrics only."""
    # Litestar's own logging configuration would take over the root logger of the process.
    return Litestar(route_handlers=probe_routes(health, metrics), openapi_config=None, logging_config=None)
