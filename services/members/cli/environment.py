"""Entrance: what the commands share: their settings, their logs, their database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from kits.env_file import with_env_file
from kits.observability.logs import configure_logging
from kits.postgres.readiness import opened
from kits.settings import read_settings
from services.members.container import CommandContainer
from services.members.settings import MembersDatabaseSettings

FAILED = 1
USAGE_ERROR = 2
_QUIET = ("aiokafka",)

S = TypeVar("S", bound=MembersDatabaseSettings)


def settings_of(kind: type[S]) -> S:
    """Read settings from the environment and `.env`, and begin to log as they say.

    Raises:
        SettingsError: with every wrong value.
    """
    settings = read_settings(kind, with_env_file())
    configure_logging(process="members", settings=settings.log, quiet=_QUIET)
    return settings


@asynccontextmanager
async def database(*, migrated: bool = True) -> AsyncIterator[CommandContainer]:
    """A container whose database answers; its connections are closed at the end of the block.

    Raises:
        SettingsError: with every wrong value.
        DatabaseUnreachableError: it does not answer in time.
        DatabaseNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
    """
    settings = settings_of(MembersDatabaseSettings)
    container = CommandContainer(settings=settings)
    ready = container.database_check() if migrated else None
    async with opened(container.engine(), ready, within_seconds=settings.database.wait_seconds):
        yield container
