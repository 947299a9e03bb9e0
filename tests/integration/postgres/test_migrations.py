"""Migrating beside a build that is at work."""

from collections.abc import Iterator

import pytest
import stamina
from sqlalchemy.exc import DBAPIError

from kits.postgres.engine import create_engine
from kits.postgres.migrations import History, MigrationRefusedError


class LostError(Exception):
    """What the driver raises for a deadlock."""

    sqlstate = "40P01"


class Unlucky(History):
    """A history whose first tries lose a deadlock against running orders."""

    losses = 2

    async def _migrate(self, engine: object) -> str:
        if self.losses:
            self.losses -= 1
            raise DBAPIError("ALTER TABLE orders", {}, LostError())
        return await super()._migrate(engine)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    """No pauses between tries."""
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


async def test_a_migration_that_lost_a_deadlock_is_tried_again(empty_database_url: str) -> None:
    """Nothing of the lost try is left."""
    engine = create_engine(empty_database_url, application_name="test")
    try:
        assert await Unlucky("app").migrate(engine) == History("app").head()
    finally:
        await engine.dispose()


async def test_a_migration_that_keeps_losing_fails_in_the_end(empty_database_url: str) -> None:
    """The operator hears of it."""
    history = Unlucky("app")
    history.losses = 99
    engine = create_engine(empty_database_url, application_name="test")
    try:
        with pytest.raises(MigrationRefusedError, match="repeat it"):
            await history.migrate(engine)
    finally:
        await engine.dispose()
    assert history.losses == 94
