"""Entrance: the commands of the sales. Results go to stdout, logs and errors to stderr."""

import argparse
from collections.abc import Callable, Sequence

from kits.kafka.errors import KafkaError
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.migrations import MigrationRefusedError
from kits.postgres.readiness import DatabaseNotReadyError, DatabaseUnreachableError
from kits.settings import SettingsError
from kits.terminal.printing import complain
from kits.web.server.listener import AddressError
from services.sales.cli import builds, preparing, serving
from services.sales.cli.environment import FAILED, USAGE_ERROR
from services.sales.table.build_registry import BuildError
from services.sales.table.storage_errors import StorageError


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
        BuildError, StorageError, KafkaError, DatabaseNotReadyError, DatabaseUnreachableError,
        MigrationRefusedError, AddressError, OSError,
    ) as error:  # fmt: skip
        complain(error)
        return FAILED
    except DATABASE_ERRORS as error:
        complain(diagnose_statement(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.sales", description="The sales per minute, and the stream that makes them."
    )
    parser.set_defaults(command=serving.run_service)
    commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
    for family in (serving, preparing, builds):
        family.add_commands(commands)
    return parser
