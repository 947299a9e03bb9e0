"""Entrance: what the commands share: their settings, their logs, their database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from app.command_container import DatabaseContainer
from app.settings import AppSettings, DatabaseCommandSettings, KafkaCommandSettings, TokenCommandSettings
from kits.env_file import with_env_file
from kits.observability.logs import configure_logging
from kits.postgres.readiness import opened
from kits.settings import read_settings

FAILED = 1
USAGE_ERROR = 2
_QUIET = ("aiokafka",)


S = TypeVar("S", AppSettings, DatabaseCommandSettings, KafkaCommandSettings, TokenCommandSettings)


def settings_of(kind: type[S]) -> S:
    """Read settings from the environment and `.env`, and begin to log as they say.

    Raises:
        SettingsError: with every wrong value.
    """
    settings = read_settings(kind, with_env_file())
    configure_logging(process="api", settings=settings.log, quiet=_QUIET)
    return settings


@asynccontextmanager
async def database(
    settings: DatabaseCommandSettings, *, migrated: bool = True
) -> AsyncIterator[DatabaseContainer]:
    """A container whose database answers; its connections are closed at the end of the block.

    Raises:
        DatabaseUnreachableError: it does not answer in time.
        DatabaseNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
    """
    container = DatabaseContainer(settings=settings)
    ready = container.database_check() if migrated else None
    async with opened(container.engine(), ready, within_seconds=settings.database.wait_seconds):
        yield container
