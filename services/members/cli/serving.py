"""Entrance: `python -m services.members`, the service itself."""

import argparse

import uvloop

from kits.observability.logs import get_logger
from kits.postgres.readiness import reachable_before
from kits.process.signals import stop_on_signals
from kits.terminal.arguments import Commands
from kits.web.server.connections import ConnectionLimits
from kits.web.server.listener import url_of
from kits.web.server.serving import Ops, serve
from services.members.cli.environment import settings_of
from services.members.container import Container
from services.members.main import create_app, create_ops_app
from services.members.settings import MembersSettings

log = get_logger(__name__)


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    commands.add_parser("serve", help="serve until a signal (the default)").set_defaults(command=run_service)


def run_service(_options: argparse.Namespace) -> int:
    """Serve until a signal."""
    settings = settings_of(MembersSettings)
    return uvloop.run(_serve(Container(settings=settings), settings))


async def _serve(container: Container, settings: MembersSettings) -> int:
    place = settings.members
    with stop_on_signals() as stop:
        try:
            wait_seconds = settings.database.wait_seconds
            if not await reachable_before(stop.asked, container.engine(), within_seconds=wait_seconds):
                return 0
            await serve(
                create_app(container),
                host=place.host,
                port=place.port,
                stop=stop.asked,
                at_once=stop.at_once,
                ready=lambda port: log.info("members_ready", address=url_of(place.host, port)),
                draining=container.health().drain,
                shutdown=place.shutdown,
                limits=place.limits(connections=ConnectionLimits().connections),
                ops=Ops(app=create_ops_app(container), host=place.ops_host, port=place.ops_port),
            )
        finally:
            await container.pools().stop()
    log.info("members_stopped")
    return 0
