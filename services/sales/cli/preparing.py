"""Entrance: `migrate` and `settings`, which come before the first start."""

import argparse
import asyncio

from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say, say_table
from kits.terminal.settings_table import settings_table
from services.sales.cli.environment import USAGE_ERROR, database
from services.sales.settings import RebuildSettings


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    migrate = commands.add_parser("migrate", help="bring the tables of the sales to this build's schema")
    migrate.set_defaults(command=_migrate)
    settings = commands.add_parser("settings", help="show what is in force, and where it comes from")
    settings.set_defaults(command=_settings)


def _migrate(_options: argparse.Namespace) -> int:
    say(asyncio.run(_migrating()))
    return 0


async def _migrating() -> str:
    async with database(migrated=False) as container:
        return await container.history().migrate(container.engine())


def _settings(_options: argparse.Namespace) -> int:
    table, problems = settings_table(RebuildSettings)
    say_table(table)
    complain(*problems)
    return USAGE_ERROR if problems else 0
