"""Entrance: the commands of the order service. Results go to stdout, logs to stderr."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import uvloop

from app.application.demo_catalogue import PRODUCTS, STOCK, demo_coupons, demo_products
from app.application.errors import StorageError
from app.container import Container, DatabaseContainer
from app.main import create_app
from app.settings import AppSettings, DatabaseSettings, LogSettings, TokenSettings
from kits.observability.logs import configure_logging, get_logger
from kits.postgres.readiness import DatabaseUnreachableError, wait_until_reachable
from kits.settings import SettingsError, read_settings
from kits.web.listener import AddressError
from kits.web.server import serve
from kits.web.signals import stop_on_signals
from kits.web.token_keys import TokenKeysError
from kits.web.tokens import issue_token

log = get_logger(__name__)

FAILED = 1
USAGE_ERROR = 2
_TOKEN_SECONDS = 24 * 3600


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SettingsError as error:
        print(f"The settings are not valid:\n{error}", file=sys.stderr)
        return USAGE_ERROR
    except (DatabaseUnreachableError, StorageError, AddressError, TokenKeysError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="The order service.")
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
    migrate = commands.add_parser("migrate", help="bring the shop's tables to this build's schema")
    migrate.set_defaults(command=_migrate)
    seed = commands.add_parser("seed", help="fill an empty shop with demo products and a coupon")
    seed.set_defaults(command=_seed)
    seed.add_argument("--products", type=_positive, help=f"how many products (default {PRODUCTS})")
    seed.add_argument("--stock", type=_positive, help=f"pieces of each (default {STOCK})")
    token = commands.add_parser("token", help="print a development token")
    token.set_defaults(command=_token)
    token.add_argument("--sub", required=True, help="the customer")
    token.add_argument("--scope", default="", help="scopes, separated by blanks")
    token.add_argument("--seconds", type=_positive, default=_TOKEN_SECONDS, help="how long it is valid")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 2_000_000_000:
        raise argparse.ArgumentTypeError("must be between 1 and 2,000,000,000")
    return number


def _serve(_options: argparse.Namespace) -> int:
    settings = read_settings(AppSettings, os.environ)
    _configure_logs(settings)
    return uvloop.run(_serving(Container(settings=settings), settings))


async def _serving(container: Container, settings: AppSettings) -> int:
    engine = container.engine()
    with stop_on_signals() as stop:
        try:
            waiting = asyncio.create_task(
                wait_until_reachable(engine, within_seconds=settings.database_wait_seconds)
            )
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if stop.is_set():
                waiting.cancel()
                return 0
            waiting.result()
            await serve(
                create_app(container),
                host=settings.api_host,
                port=settings.api_port,
                stop=stop,
                ready=lambda port: log.info("api_ready", address=f"http://{settings.api_host}:{port}"),
                draining=container.health().drain,
                drain_seconds=settings.api_drain_seconds,
            )
        finally:
            await engine.dispose()
    log.info("api_stopped")
    return 0


def _migrate(_options: argparse.Namespace) -> int:
    settings = read_settings(DatabaseSettings, os.environ)
    _configure_logs(settings)
    print(asyncio.run(_migrating(DatabaseContainer(settings=settings), settings)))
    return 0


async def _migrating(container: DatabaseContainer, settings: DatabaseSettings) -> str:
    engine = container.engine()
    try:
        await wait_until_reachable(engine, within_seconds=settings.database_wait_seconds)
        return await container.history().migrate(engine)
    finally:
        await engine.dispose()


def _seed(options: argparse.Namespace) -> int:
    settings = read_settings(DatabaseSettings, os.environ)
    _configure_logs(settings)
    print(asyncio.run(_seeding(DatabaseContainer(settings=settings), settings, options)))
    return 0


async def _seeding(
    container: DatabaseContainer, settings: DatabaseSettings, options: argparse.Namespace
) -> str:
    engine, catalogue = container.engine(), container.catalogue()
    asked = options.products is not None or options.stock is not None
    try:
        await wait_until_reachable(engine, within_seconds=settings.database_wait_seconds)
        if not asked and not await catalogue.is_empty():
            return "The shop has products already: nothing was changed (use --products N to add some)."
        products = demo_products(options.products or PRODUCTS, options.stock or STOCK)
        count = await catalogue.add(products, demo_coupons())
        return f"The shop has {count} products and the coupon WELCOME10."
    finally:
        await engine.dispose()


def _token(options: argparse.Namespace) -> int:
    settings = read_settings(TokenSettings, os.environ)
    _configure_logs(settings)
    print(
        issue_token(
            settings.jwt_secret,
            options.sub,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            scopes=options.scope.split(),
            ttl_seconds=options.seconds,
        )
    )
    return 0


def _configure_logs(settings: LogSettings) -> None:
    configure_logging(
        process="api",
        level=settings.log_level,
        log_format=settings.log_format,
        log_file=settings.log_file,
    )
