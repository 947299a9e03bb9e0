"""PostgreSQL migrations: brings one history to its head, one migrator at a time."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.observability.logs import get_logger
from kits.postgres.errors import Fault, fault_of
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_TRIES = 5
_AGAIN = Backoff(base_seconds=0.2, cap_seconds=3.0)
_INI = Path(__file__).resolve().parents[2] / "alembic.ini"


class History:
    """One history of migrations: a section of alembic.ini, and the schema that holds its version table."""

    def __init__(self, section: str, *, schema: str = "public") -> None:
        self._config = Config(str(_INI), ini_section=section)
        self._script = ScriptDirectory.from_config(self._config)
        self._section = section
        self._schema = schema

    async def migrate(self, engine: AsyncEngine) -> str:
        """Bring the database to this build's head in one transaction and return the revision it is at then.

        Two migrators wait for each other (advisory lock). A migration that fails changes nothing; one that
        lost against the work of a running build (deadlock, lock timeout) is tried again, at most 5 times. A
        database that a newer build has migrated stays as it is: this build runs on it (rolling deploys).
        """
        for attempt in range(_TRIES):
            try:
                return await self._migrate(engine)
            except DBAPIError as error:
                if fault_of(error) not in {Fault.RUN_AGAIN, Fault.BUSY} or attempt == _TRIES - 1:
                    raise
                wait = _AGAIN.wait_seconds(attempt)
                log.warning("migration_lost_a_lock", again_in_seconds=round(wait, 2), action="none yet")
                await asyncio.sleep(wait)
        raise AssertionError("the last try either returns or raises")

    async def _migrate(self, engine: AsyncEngine) -> str:
        async with engine.begin() as connection:
            # Migrating may wait longer than a request may: each migration sets bounds of its own.
            await connection.execute(text("SET LOCAL statement_timeout = '60s'"))
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
            await self._create_schema(connection)
            found = await self.current(connection)
            if found and not self._knows(found):
                log.warning(
                    "database_newer_than_build",
                    history=self._section,
                    revision=found,
                    action="none while builds are being replaced; later, run the newest build",
                )
                return found
            await connection.run_sync(self._upgrade)
        head = self.head()
        log.info("database_migrated", history=self._section, revision=head)
        return head

    def head(self) -> str:
        """The newest revision that this build knows."""
        return self._script.get_current_head() or ""

    async def current(self, connection: AsyncConnection) -> str:
        """The revision of the database, empty if it was never migrated."""
        return await connection.run_sync(self._current)

    def is_current(self, revision: str) -> bool:
        """Whether this build runs on a database at `revision`: its head, or newer (not known here)."""
        return bool(revision) and (revision == self.head() or not self._knows(revision))

    def _knows(self, revision: str) -> bool:
        return revision in {script.revision for script in self._script.walk_revisions()}

    async def _create_schema(self, connection: AsyncConnection) -> None:
        # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even if there is nothing to do.
        exists = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
        if (await connection.execute(exists, {"schema": self._schema})).first() is None:
            await connection.execute(text(f'CREATE SCHEMA "{self._schema}"'))

    def _upgrade(self, connection: Connection) -> None:
        self._config.attributes.update(connection=connection, schema=self._schema)
        command.upgrade(self._config, "head")

    def _current(self, connection: Connection) -> str:
        context = MigrationContext.configure(connection, opts={"version_table_schema": self._schema})
        return context.get_current_revision() or ""
