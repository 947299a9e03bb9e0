"""Terminal kit: the command `settings` of every program."""

import argparse
from functools import partial

import msgspec

from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say_table
from kits.terminal.settings_table import settings_table

_USAGE_ERROR = 2


def add_settings_command(commands: Commands, kind: type[msgspec.Struct]) -> None:
    """Add `settings`: what is in force of `kind` and where it comes from; 2 if something of it is wrong."""
    settings = commands.add_parser("settings", help="show what is in force, and where it comes from")
    settings.set_defaults(command=partial(_show, kind))


def _show(kind: type[msgspec.Struct], _options: argparse.Namespace) -> int:
    table, problems = settings_table(kind)
    say_table(table)
    complain(*problems)
    return _USAGE_ERROR if problems else 0
