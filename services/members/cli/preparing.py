"""Entrance: `migrate` and `settings`, which come before the first start."""

import argparse
import asyncio

from kits.terminal.arguments import Commands
from kits.terminal.printing import say
from kits.terminal.settings_command import add_settings_command
from services.members.cli.environment import database
from services.members.settings import MembersSettings


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    migrate = commands.add_parser("migrate", help="bring the members' tables to this build's schema")
    migrate.set_defaults(command=_migrate)
    add_settings_command(commands, MembersSettings)


def _migrate(_options: argparse.Namespace) -> int:
    say(asyncio.run(_migrating()))
    return 0


async def _migrating() -> str:
    async with database(migrated=False) as container:
        return await container.history().migrate(container.engine())
