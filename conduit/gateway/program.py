"""Entrance: the commands of conduit's gateway. Results go to stdout, logs and errors to stderr."""

import argparse
from collections.abc import Callable, Sequence
from typing import TypeVar

import uvloop

from conduit.gateway.container import Container
from conduit.gateway.main import create_app, create_ops_app
from conduit.gateway.problems import RealWorldProblems
from conduit.gateway.settings import CLIENT_ID, GatewayAskSettings, GatewaySettings
from kits.env_file import with_env_file
from kits.observability.logs import configure_logging, get_logger
from kits.process.signals import stop_on_signals
from kits.rpc_service.asking import add_ask_parser, ask_and_print
from kits.settings import SettingsError, read_settings
from kits.terminal.printing import complain
from kits.terminal.settings_command import add_settings_command
from kits.web.server.connections import ConnectionLimits
from kits.web.server.listener import AddressError, url_of
from kits.web.server.serving import Ops, serve
from kits.web.tokens.keys import TokenKeysError

log = get_logger(__name__)
_FAILED = 1
_USAGE_ERROR = 2
_QUIET = ("aiokafka",)
S = TypeVar("S", bound=GatewayAskSettings)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SettingsError as error:
        complain("The settings are not valid:", *error.problems)
        return _USAGE_ERROR
    except (AddressError, TokenKeysError, OSError) as error:
        complain(error)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conduit gateway", description="Conduit's gateway.")
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
    commands.add_parser("serve", help="serve until a signal (the default)").set_defaults(command=_serve)
    add_settings_command(commands, GatewaySettings)
    add_ask_parser(commands).set_defaults(command=_ask)
    return parser


def _settings(kind: type[S]) -> S:
    settings = read_settings(kind, with_env_file())
    configure_logging(process=CLIENT_ID, settings=settings.log, quiet=_QUIET)
    return settings


def _ask(options: argparse.Namespace) -> int:
    return ask_and_print(_settings(GatewayAskSettings).kafka, f"{CLIENT_ID}-operator", options)


def _serve(_options: argparse.Namespace) -> int:
    settings = _settings(GatewaySettings)
    return uvloop.run(_serving(Container(settings=settings), settings))


async def _serving(container: Container, settings: GatewaySettings) -> int:
    place = settings.conduit_gateway
    with stop_on_signals() as stop:
        await serve(
            create_app(container),
            host=place.host,
            port=place.port,
            stop=stop.asked,
            at_once=stop.at_once,
            ready=lambda port: log.info("gateway_ready", address=url_of(place.host, port)),
            draining=container.health().drain,
            shutdown=place.shutdown,
            limits=place.limits(connections=ConnectionLimits().connections),
            problems=RealWorldProblems(),
            ops=Ops(app=create_ops_app(container), host=place.ops_host, port=place.ops_port),
        )
    log.info("gateway_stopped")
    return 0
