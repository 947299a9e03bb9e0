"""Entrance: `python -m app`, the service itself."""

import argparse

import uvloop

from app.cli.environment import settings_of
from app.container import Container
from app.main import create_app, create_ops_app
from app.settings import AppSettings
from kits.observability.logs import get_logger
from kits.postgres.readiness import reachable_before
from kits.process.signals import stop_on_signals
from kits.terminal.arguments import Commands
from kits.web.server.listener import url_of
from kits.web.server.serving import Ops, serve

log = get_logger(__name__)


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    commands.add_parser("serve", help="serve until a signal (the default)").set_defaults(command=run_service)


def run_service(_options: argparse.Namespace) -> int:
    """Serve until a signal."""
    settings = settings_of(AppSettings)
    return uvloop.run(_serve(Container(settings=settings), settings))


async def _serve(container: Container, settings: AppSettings) -> int:
    engine = container.engines.orders()
    with stop_on_signals() as stop:
        try:
            wait_seconds = settings.database.wait_seconds
            if not await reachable_before(stop.asked, engine, within_seconds=wait_seconds):
                return 0
            await serve(
                create_app(container),
                host=settings.api.host,
                port=settings.api.port,
                stop=stop.asked,
                at_once=stop.at_once,
                ready=lambda port: log.info("api_ready", address=url_of(settings.api.host, port)),
                draining=container.health().drain,
                shutdown=settings.api.shutdown,
                limits=settings.connection_limits,
                ops=Ops(app=create_ops_app(container), host=settings.ops.host, port=settings.ops.port),
            )
        finally:
            await container.engines.pools().stop()
    log.info("api_stopped")
    return 0
