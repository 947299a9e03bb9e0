"""Entrance: the two roles: `python -m services.sales`, the table and its door, and `… stream`, the stream."""

import argparse
import asyncio

import uvloop

from kits.observability.logs import get_logger
from kits.postgres.readiness import reachable_before
from kits.process.signals import stop_on_signals
from kits.terminal.arguments import Commands
from kits.web.server.connections import ConnectionLimits
from kits.web.server.listener import url_of
from kits.web.server.serving import Ops, serve
from services.sales.cli.environment import settings_of
from services.sales.container import Container, StreamContainer
from services.sales.main import create_app, create_ops_app
from services.sales.settings import SalesSettings
from services.sales.stream.settings import StreamSettings

log = get_logger(__name__)

_STREAM = """\
Reads order-events and writes order-sales-per-minute and orders.large, exactly once. It needs Kafka alone; any
number of processes share the partitions. It runs in the environment of requirements-sales.lock."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    commands.add_parser("serve", help="serve until a signal (the default)").set_defaults(command=run_service)
    stream = commands.add_parser("stream", help="stream until a signal", description=_STREAM)
    stream.set_defaults(command=_run_stream)


def run_service(_options: argparse.Namespace) -> int:
    """Serve until a signal."""
    settings = settings_of(SalesSettings)
    return uvloop.run(_serve(Container(settings=settings), settings))


async def _serve(container: Container, settings: SalesSettings) -> int:
    place = settings.sales
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
                ready=lambda port: log.info("sales_ready", address=url_of(place.host, port)),
                draining=container.health().drain,
                shutdown=place.shutdown,
                limits=place.limits(connections=ConnectionLimits().connections),
                ops=Ops(app=create_ops_app(container), host=place.ops_host, port=place.ops_port),
            )
        finally:
            await container.pools().stop()
    log.info("sales_stopped")
    return 0


def _run_stream(_options: argparse.Namespace) -> int:
    container = StreamContainer(settings=settings_of(StreamSettings))
    return asyncio.run(container.runner().run())
