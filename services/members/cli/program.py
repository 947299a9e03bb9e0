"""Entrance: the commands of the Member API. Results go to stdout, logs and errors to stderr."""

import argparse
from collections.abc import Callable, Sequence

from kits.outbox.commands import OutboxCommands
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.migrations import MigrationRefusedError
from kits.postgres.readiness import DatabaseNotReadyError, DatabaseUnreachableError
from kits.settings import SettingsError
from kits.terminal.printing import complain
from kits.web.server.listener import AddressError
from kits.web.tokens.keys import TokenKeysError
from services.members.cli import environment, preparing, serving
from services.members.cli.environment import FAILED, USAGE_ERROR
from services.members.ports import StorageError


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SettingsError as error:
        complain("The settings are not valid:", *error.problems)
        return USAGE_ERROR
    except (
        StorageError, DatabaseNotReadyError, DatabaseUnreachableError,
        MigrationRefusedError, AddressError, TokenKeysError, OSError,
    ) as error:  # fmt: skip
        complain(error)
        return FAILED
    except DATABASE_ERRORS as error:
        complain(diagnose_statement(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.members", description="The Member API.")
    parser.set_defaults(command=serving.run_service)
    commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
    for family in (serving, preparing):
        family.add_commands(commands)
    OutboxCommands("member", environment).add_to(commands)
    return parser
