"""RPC service, commands: serve (the default), migrate, settings, rpc ask; logs go to stderr."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from kits.env_file import with_env_file
from kits.observability.logs import configure_logging
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.migrations import MigrationRefusedError
from kits.postgres.readiness import DatabaseNotReadyError, DatabaseUnreachableError, opened
from kits.rpc_service.asking import add_ask_parser, ask_and_print
from kits.rpc_service.serving import serve_requests
from kits.rpc_service.settings import ServiceDatabaseSettings, ServiceKafkaSettings
from kits.settings import SettingsError, read_settings
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say
from kits.terminal.settings_command import add_settings_command
from kits.web.server.listener import AddressError

FAILED = 1
USAGE_ERROR = 2
_QUIET = ("aiokafka",)
S = TypeVar("S", bound=ServiceDatabaseSettings | ServiceKafkaSettings)


@dataclass(frozen=True, slots=True)
class RpcServiceProgram:
    """One service's program: its name, what it reads, and the containers that build it.

    A container takes `settings` and offers what serving.ServiceParts names; `command_container` an engine and
    a history, for what only touches the database.
    """

    name: str
    description: str
    database_settings: type[ServiceDatabaseSettings]
    settings: type[ServiceDatabaseSettings]
    command_container: type[Any]
    container: type[Any]

    def parser(self) -> tuple[argparse.ArgumentParser, Commands]:
        """The parser and its commands; a service may add its own."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.name.replace('-', ' ')}", description=self.description
        )
        parser.set_defaults(command=self._serve)
        commands = parser.add_subparsers(metavar="command", title="commands (without one: serve)")
        serve = commands.add_parser("serve", help="answer requests until a signal (the default)")
        serve.set_defaults(command=self._serve)
        migrate = commands.add_parser("migrate", help="bring the tables to this build's schema")
        migrate.set_defaults(command=self._migrate)
        add_settings_command(commands, self.settings)
        add_ask_parser(commands).set_defaults(command=self._ask)
        return parser, commands

    def run(self, parser: argparse.ArgumentParser, arguments: Sequence[str]) -> int:
        """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
        options = parser.parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        try:
            return command(options)
        except SettingsError as error:
            complain("The settings are not valid:", *error.problems)
            return USAGE_ERROR
        except (
            DatabaseNotReadyError, DatabaseUnreachableError, MigrationRefusedError, AddressError, OSError,
        ) as error:  # fmt: skip
            complain(error)
            return FAILED
        except DATABASE_ERRORS as error:
            complain(diagnose_statement(error))
            return FAILED

    def read(self, kind: type[S]) -> S:
        """Read settings from the environment and `.env`, and begin to log as they say.

        Raises:
            SettingsError: with every wrong value.
        """
        settings = read_settings(kind, with_env_file())
        configure_logging(process=self.name, settings=settings.log, quiet=_QUIET)
        return settings

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[Any]:
        """A `command_container` whose database answers; its connections are closed at the end of the block.

        With `migrated` it offers a `database_check` besides: for commands of a service's own.

        Raises:
            SettingsError: with every wrong value.
            DatabaseUnreachableError: it does not answer in time.
            DatabaseNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
        """
        settings = self.read(self.database_settings)
        container = self.command_container(settings=settings)
        ready = container.database_check() if migrated else None
        async with opened(container.engine(), ready, within_seconds=settings.database.wait_seconds):
            yield container

    def _serve(self, _options: argparse.Namespace) -> int:
        settings = self.read(self.settings)
        return uvloop.run(serve_requests(self.container(settings=settings), settings))

    def _migrate(self, _options: argparse.Namespace) -> int:
        say(asyncio.run(self._migrating()))
        return 0

    async def _migrating(self) -> str:
        async with self.database(migrated=False) as container:
            head: str = await container.history().migrate(container.engine())
        return head

    def _ask(self, options: argparse.Namespace) -> int:
        return ask_and_print(self.read(ServiceKafkaSettings).kafka, f"{self.name}-operator", options)
