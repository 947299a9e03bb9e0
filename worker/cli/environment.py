"""Entrance: what the commands share: their settings, their logs, their objects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from kits.env_file import with_env_file
from kits.observability.logs import configure_logging
from kits.postgres.readiness import opened as database_opened
from kits.settings import SettingsError, read_settings
from worker.command_container import InboxContainer
from worker.settings import InboxSettings

FAILED = 1
USAGE_ERROR = 2
_QUIET = ("aiokafka",)

S = TypeVar("S", bound=InboxSettings)
C = TypeVar("C", bound=InboxContainer)


def settings_of(kind: type[S]) -> S:
    """Read settings from the environment and `.env`, and begin to log as they say.

    Raises:
        SettingsError: with every wrong value.
    """
    settings = read_settings(kind, with_env_file())
    configure_logging(process="worker", settings=settings.log, quiet=_QUIET)
    return settings


def require_shop(settings: InboxSettings, group: str) -> None:
    """Raises SettingsError: the shop's database is not named, and this group writes to it."""
    if not settings.database.url:
        raise SettingsError([f"DATABASE_URL is missing: {group} writes to the shop's database."])


@asynccontextmanager
async def opened(container: C, *, migrated: bool = True) -> AsyncIterator[C]:
    """The container with a database that answers; its connections are closed at the end of the block.

    Raises:
        DatabaseUnreachableError: it does not answer in time.
        DatabaseNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
    """
    ready = container.database_check() if migrated else None
    wait_seconds = container.settings().database.wait_seconds
    async with database_opened(container.engine(), ready, within_seconds=wait_seconds):
        yield container
