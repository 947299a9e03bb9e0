"""Entrance: `members rebuild`: the shop's copy of the members, made anew from the topic."""

import argparse
import asyncio

from contracts.topics import ITEM_MEMBERS_GROUP
from kits.terminal.arguments import Commands
from kits.terminal.printing import say
from worker.cli.environment import opened, require_shop, settings_of
from worker.command_container import MemberCommands
from worker.settings import MemberSettings

COMMAND = "members"
_REBUILD = """\
Reads the members' topic from its start to its end into the shop's table `member_replica`. Workers of the
group may run meanwhile, and it may be repeated. Rows of members whom the topic does not know are deleted."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    group = commands.add_parser(COMMAND, help="the shop's copy of the members' names").add_subparsers(
        metavar="rebuild", required=True
    )
    rebuild = group.add_parser("rebuild", help="make it anew from the topic", description=_REBUILD)
    rebuild.set_defaults(command=_rebuild)


def _rebuild(_options: argparse.Namespace) -> int:
    settings = settings_of(MemberSettings)
    require_shop(settings, ITEM_MEMBERS_GROUP)
    return asyncio.run(_rebuilding(settings))


async def _rebuilding(settings: MemberSettings) -> int:
    async with opened(MemberCommands(settings=settings)) as container:
        rebuilt = await container.rebuild().run()
    say(
        f"The replica has {rebuilt.members} members. Read: {rebuilt.records} records, of which"
        f" {rebuilt.left_out} were left out. Deleted: {rebuilt.deleted} members whom the topic does not know."
    )
    return 0
