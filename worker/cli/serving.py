"""Entrance: the worker itself."""

import argparse
import asyncio
from collections.abc import Sequence

import uvloop

from contracts.topics import DATA_PLATFORM_GROUP, ITEM_MEMBERS_GROUP
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain
from worker.cli.environment import USAGE_ERROR, require_shop, settings_of
from worker.container import Container
from worker.groups.data_platform.settings import DeliverySettings
from worker.groups.order_status import ORDER_STATUS_GROUP
from worker.settings import WorkerSettings

GROUPS = tuple(Container.groups.providers)


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    consume = commands.add_parser("consume", help="consume until SIGTERM or SIGINT (the default)")
    consume.set_defaults(command=_consume)
    consume.add_argument(
        "groups",
        nargs="*",
        metavar="group",
        help=f"consumer groups: {', '.join(GROUPS)} (default: {DATA_PLATFORM_GROUP})",
    )


def _consume(options: argparse.Namespace) -> int:
    names = tuple(dict.fromkeys(options.groups)) or (DATA_PLATFORM_GROUP,)
    if unknown := sorted(set(names) - set(GROUPS)):
        complain(f"Unknown: {', '.join(unknown)}. Groups: {', '.join(GROUPS)}; commands: see --help.")
        return USAGE_ERROR
    container = Container(settings=_settings(names), names=names)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_consuming(container))


def _settings(names: Sequence[str]) -> WorkerSettings:
    kind = DeliverySettings if DATA_PLATFORM_GROUP in names else WorkerSettings
    settings: WorkerSettings = settings_of(kind)
    for group in (ORDER_STATUS_GROUP, ITEM_MEMBERS_GROUP):
        if group in names:
            require_shop(settings, group)
    return settings


async def _consuming(container: Container) -> int:
    return await container.runner().run()
