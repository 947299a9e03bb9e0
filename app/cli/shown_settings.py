"""Entrance: `settings`, what is in force and where it comes from."""

import argparse
import sys

from app.cli.environment import USAGE_ERROR
from app.settings import AppSettings
from kits.terminal.arguments import Commands
from kits.terminal.settings_table import settings_table


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    settings = commands.add_parser("settings", help="show what is in force, and where it comes from")
    settings.set_defaults(command=_settings)


def _settings(_options: argparse.Namespace) -> int:
    table, problems = settings_table(AppSettings)
    print(table)
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return USAGE_ERROR if problems else 0
