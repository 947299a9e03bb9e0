"""Entrance: the commands of the order service. Results go to stdout, logs and errors to stderr."""

import argparse
from collections.abc import Callable, Sequence

from app.application.catalogue_errors import CatalogueError
from app.application.errors import ApplicationError
from app.cli import asking, catalogue, dead_events, development_token, preparing, serving
from app.cli.catalogue_file import CatalogueFileError
from app.cli.environment import FAILED, USAGE_ERROR
from app.settings import AppSettings
from kits.outbox.operating import OutboxUnavailableError
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.migrations import MigrationRefusedError
from kits.postgres.readiness import DatabaseNotReadyError, DatabaseUnreachableError
from kits.settings import SettingsError
from kits.terminal.printing import complain
from kits.terminal.settings_command import add_settings_command
from kits.web.server.listener import AddressError
from kits.web.tokens.keys import TokenKeysError


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SettingsError as error:
        complain("The settings are not valid:", *error.problems)
        return USAGE_ERROR
    except CatalogueFileError as error:
        complain(*error.faults)
        return FAILED
    except (
        ApplicationError, CatalogueError, OutboxUnavailableError,
        DatabaseNotReadyError, DatabaseUnreachableError, MigrationRefusedError, AddressError, TokenKeysError,
        OSError,
    ) as error:  # fmt: skip
        complain(error)
        return FAILED
    except DATABASE_ERRORS as error:
        complain(diagnose_statement(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="The order service.")
    parser.set_defaults(command=serving.run_service)
    commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
    for family in (serving, preparing, development_token, catalogue, dead_events, asking):
        family.add_commands(commands)
    add_settings_command(commands, AppSettings)
    return parser
