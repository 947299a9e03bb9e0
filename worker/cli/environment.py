"""Entrance: what the commands share: their settings, their logs, their objects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from kits.env_file import with_env_file
from kits.observability.health import Status
from kits.observability.logs import configure_logging
from kits.postgres.readiness import wait_until_reachable
from kits.settings import read_settings
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


class InboxNotReadyError(Exception):
    """The database answers and cannot be used; the text says what to do."""

    code = "inbox_not_ready"


@asynccontextmanager
async def opened(container: C, *, migrated: bool = True) -> AsyncIterator[C]:
    """The container with a database that answers; its connections are closed at the end of the block.

    Raises:
        DatabaseUnreachableError: it does not answer in time.
        InboxNotReadyError: it has not the tables of this build, unless they need not be `migrated`.
    """
    engine = container.engine()
    try:
        wait_seconds = container.settings().database.wait_seconds
        await wait_until_reachable(engine, within_seconds=wait_seconds)
        if migrated and (found := await container.database_check().check()).status is not Status.OK:
            raise InboxNotReadyError(found.detail)
        yield container
    finally:
        await engine.dispose()
