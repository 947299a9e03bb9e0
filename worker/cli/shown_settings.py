"""Entrance: `settings`, what is in force and where it comes from."""

import argparse

from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say_table
from kits.terminal.settings_table import settings_table
from worker.cli.environment import USAGE_ERROR
from worker.groups.data_platform.settings import DeliverySettings


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    settings = commands.add_parser("settings", help="show what is in force, and where it comes from")
    settings.set_defaults(command=_settings)


def _settings(_options: argparse.Namespace) -> int:
    table, problems = settings_table(DeliverySettings)
    say_table(table)
    complain(*problems)
    return USAGE_ERROR if problems else 0
