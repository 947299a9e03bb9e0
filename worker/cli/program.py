"""Entrance: the commands of the worker. Results go to stdout, logs and errors to stderr."""

import argparse
from collections.abc import Callable, Sequence

from kits.kafka.errors import KafkaError
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.migrations import MigrationRefusedError
from kits.postgres.readiness import DatabaseNotReadyError, DatabaseUnreachableError
from kits.settings import SettingsError
from kits.terminal.printing import complain
from kits.terminal.settings_command import add_settings_command
from worker.cli import members, migrating, operating, serving
from worker.cli.environment import FAILED, USAGE_ERROR
from worker.groups.data_platform.settings import DeliverySettings

_FAMILIES = (serving, migrating, operating, members)
_COMMANDS = ("consume", "migrate", "settings", members.COMMAND, *operating.COMMANDS)


def main(arguments: Sequence[str]) -> int:
    """Run one command; without one, consume.

    Returns the exit code: 0 done, 1 failed or something is left to do, 2 wrong usage or settings.
    """
    is_command = bool(arguments) and (arguments[0] in _COMMANDS or arguments[0].startswith("-"))
    options = _parser().parse_args(arguments if is_command else ["consume", *arguments])
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        complain("Interrupted: what was done is done, and the same command again is safe.")
        return FAILED
    except SettingsError as error:
        complain("The settings are not valid:", *error.problems)
        return USAGE_ERROR
    except (
        DatabaseUnreachableError,
        MigrationRefusedError,
        DatabaseNotReadyError,
        KafkaError,
    ) as error:
        complain(error)
        return FAILED
    except DATABASE_ERRORS as error:
        complain(diagnose_statement(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker", description="Forwards order events from Kafka to the data platform."
    )
    commands = parser.add_subparsers(
        metavar="command", title="commands (without one: consume)", required=True
    )
    for family in _FAMILIES:
        family.add_commands(commands)
    add_settings_command(commands, DeliverySettings)
    return parser
