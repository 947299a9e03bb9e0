"""Entrance: what the commands share: their settings, their logs, their database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from kits.env_file import with_env_file
from kits.observability.logs import LogSettings, configure_logging
from kits.postgres.readiness import opened
from kits.settings import read_settings
from services.sales.container import CommandContainer
from services.sales.settings import TableSettings

FAILED = 1
USAGE_ERROR = 2
_QUIET = ("aiokafka",)

S = TypeVar("S", bound=msgspec.Struct)
C = TypeVar("C", bound=CommandContainer)


def settings_of(kind: type[S]) -> S:
    """Read settings from the environment and `.env`, and begin to log as they say.

    Raises:
        SettingsError: with every wrong value.
    """
    settings = read_settings(kind, with_env_file())
    log: LogSettings = getattr(settings, "log", LogSettings())
    configure_logging(process="sales", settings=log, quiet=_QUIET)
    return settings


@asynccontextmanager
async def database(*, migrated: bool = True) -> AsyncIterator[CommandContainer]:
    """A container whose database answers; its connections are closed at the end of the block.

    Raises:
        SettingsError: with every wrong value.
        DatabaseUnreachableError: it does not answer in time.
        DatabaseNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
    """
    async with in_use(CommandContainer(settings=settings_of(TableSettings)), migrated=migrated) as container:
        yield container


@asynccontextmanager
async def in_use(container: C, *, migrated: bool = True) -> AsyncIterator[C]:
    """The same, of this container.

    Raises:
        DatabaseUnreachableError, DatabaseNotReadyError.
    """
    ready = container.database_check() if migrated else None
    wait_seconds = container.settings().database.wait_seconds
    async with opened(container.engine(), ready, within_seconds=wait_seconds):
        yield container
