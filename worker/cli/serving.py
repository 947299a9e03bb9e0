"""Entrance: the worker itself, and `migrate`, which comes before its first start."""

import argparse
import asyncio

import uvloop

from contracts.topics import DATA_PLATFORM_GROUP
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say
from worker.cli.environment import USAGE_ERROR, opened, settings_of
from worker.container import Container, LedgerContainer
from worker.settings import LedgerSettings, WorkerSettings

GROUPS = (DATA_PLATFORM_GROUP,)


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    consume = commands.add_parser("consume", help="consume until SIGTERM or SIGINT (the default)")
    consume.set_defaults(command=_consume)
    consume.add_argument(
        "groups", nargs="*", metavar="group", help=f"consumer groups: {', '.join(GROUPS)} (default: all)"
    )
    migrate = commands.add_parser("migrate", help="bring the ledger's tables to this build's schema")
    migrate.set_defaults(command=_migrate)


def _consume(options: argparse.Namespace) -> int:
    if unknown := sorted(set(options.groups) - set(GROUPS)):
        complain(f"Unknown: {', '.join(unknown)}. Groups: {', '.join(GROUPS)}; commands: see --help.")
        return USAGE_ERROR
    container = Container(settings=settings_of(WorkerSettings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_consuming(container))


async def _consuming(container: Container) -> int:
    return await container.runner().run()


def _migrate(_options: argparse.Namespace) -> int:
    say(asyncio.run(_migrating(settings_of(LedgerSettings))))
    return 0


async def _migrating(settings: LedgerSettings) -> str:
    async with opened(LedgerContainer(settings=settings), migrated=False) as container:
        return await container.history().migrate(container.engine())
