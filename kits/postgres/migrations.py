"""PostgreSQL migrations: brings one history to its head, one migrator at a time."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import stamina
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kits.observability.logs import get_logger
from kits.postgres.catalogue import Tables, look_up, refusal
from kits.postgres.concurrent_indexes import build_indexes
from kits.postgres.connect import transaction_bound
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_statement
from kits.postgres.errors import Fault, fault_of, server_message, sqlstate
from kits.postgres.identifiers import quoted
from kits.postgres.version_table import adopt, follow

log = get_logger(__name__)

_TRIES = 5
_INI = Path(__file__).resolve().parents[2] / "alembic.ini"
_LOST = {Fault.RUN_AGAIN, Fault.BUSY}
_TAKEN = {"42P07", "42710"}


def _lost_a_lock(error: Exception) -> bool:
    """Whether a running build was faster this time."""
    return isinstance(error, DBAPIError) and fault_of(error) in _LOST


class MigrationRefusedError(Exception):
    """The database cannot be migrated and was left as it is; the text says what to do."""

    code = "migration_refused"


class History:
    """One history of migrations: a section of alembic.ini, and the schema of its tables and their version.

    The version stands in a table of our own (`order_pipeline_app_version`): `alembic_version` may be another
    program's. `made` are the tables that must be there at the head.
    """

    def __init__(
        self, section: str, *, schema: str = "public", made: Iterable[MetaData] = (), program: str = ""
    ) -> None:
        """Args: program: whose command `migrate` is, if it is not called as the section."""
        self._config = Config(str(_INI), ini_section=section)
        self._script = ScriptDirectory.from_config(self._config)
        self._known = frozenset(script.revision for script in self._script.walk_revisions())
        self._section = section
        self._program = program or section
        tables = frozenset(table.name for each in made for table in each.tables.values())
        self._tables = Tables(schema, f"order_pipeline_{section}_version", tables)

    async def migrate(self, engine: AsyncEngine) -> str:
        """Bring the database to this build's head in one transaction and return the revision it is at then.

        Two migrators wait for each other (advisory lock). A migration that fails changes nothing; one that
        lost against the work of a running build (deadlock, lock timeout) is tried again, at most 5 times. A
        database that a newer build has migrated stays as it is: this build runs on it (rolling deploys).
        Indexes that the migrations ask for as `CONCURRENT_INDEXES` are built afterwards, if they are missing.

        Raises:
            MigrationRefusedError: a right is missing, a name is taken, it is not a UTF-8 database, or the
                locks were lost each time.
        """
        tries = stamina.AsyncRetryingCaller(
            attempts=_TRIES, timeout=None, wait_initial=0.2, wait_jitter=0.2, wait_max=3.0
        )
        try:
            head = await tries.on(_lost_a_lock)(self._migrate, engine)
        except DBAPIError as error:
            raise self._meaning_of(error) from error
        if head == self.head():
            await self._build_indexes(engine)
        return head

    async def _migrate(self, engine: AsyncEngine) -> str:
        schema = self._tables.schema
        async with engine.begin() as connection:
            # Migrating may wait longer than a request may: each migration sets bounds of its own.
            await connection.execute(text("SET LOCAL statement_timeout = '60s'"))
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await connection.execute(text(transaction_bound(0, local=True)))
            one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext('migrations'), hashtext(:schema))")
            await connection.execute(one_at_a_time, {"schema": schema})
            found = await look_up(connection, self._tables)
            if (at := found.revision) == self.head():
                return at
            if at and at not in self._known:
                log.warning(
                    "database_newer_than_build",
                    history=self._section,
                    revision=at,
                    action="none while builds are being replaced; later, run the newest build",
                )
                return at
            if reason := refusal(found):
                raise MigrationRefusedError(reason)
            if not found.schema_exists:
                await connection.execute(text(f"CREATE SCHEMA {quoted(schema)}"))
            former = "" if at else await adopt(connection, found, self._known)
            await connection.run_sync(self._upgrade, former)
            await follow(connection, found, self._known, self.head())
        head = self.head()
        log.info("database_migrated", history=self._section, schema=schema, revision=head)
        return head

    def head(self) -> str:
        """The newest revision that this build knows."""
        return self._script.get_current_head() or ""

    async def lack(self, connection: AsyncConnection) -> str:
        """What this build misses in the database, with what to do, as one sentence; empty if nothing.

        It reads the version and sees whether each table is there; a newer build's database lacks nothing.
        """
        found = await look_up(connection, self._tables)
        schema, at = quoted(self._tables.schema), found.revision
        if not found.version_is_readable:
            grant = f"GRANT USAGE on the schema and SELECT on its tables to {quoted(found.role)}"
            return f"The role may not read {schema}.{self._tables.version}: {grant}."
        if at == self.head():
            lost = ", ".join(sorted(found.missing))
            return f"The schema {schema} has lost tables ({lost}): restore them." if lost else ""
        if at and at not in self._known:
            return ""
        return f"The schema {schema} is at {at or 'nothing'}: run `python -m {self._program} migrate`."

    async def _build_indexes(self, engine: AsyncEngine) -> None:
        asked = [getattr(step.module, "CONCURRENT_INDEXES", ()) for step in self._script.walk_revisions()]
        try:
            await build_indexes(engine, self._tables.schema, chain.from_iterable(asked))
        except CONNECTION_ERRORS as error:
            told = f"An index was not built ({server_message(error) or type(error).__name__})"
            raise MigrationRefusedError(f"{told}; all else is done: repeat the command.") from error

    def _upgrade(self, connection: Connection, former: str) -> None:
        names = {"version_table": self._tables.version, "schema": self._tables.schema}
        if former:
            options = {"version_table": names["version_table"], "version_table_schema": names["schema"]}
            MigrationContext.configure(connection, opts=options).stamp(self._script, former)
        self._config.attributes.update(connection=connection, **names)
        command.upgrade(self._config, "head")

    def _meaning_of(self, error: DBAPIError) -> Exception:
        if fault_of(error) in _LOST:
            return MigrationRefusedError(
                "The migration lost its locks to running work and changed nothing: repeat it."
            )
        told = diagnose_statement(error)
        if sqlstate(error) in _TAKEN:
            told = (
                f"{told} The schema {quoted(self._tables.schema)} has such a name already, not of our making:"
            )
            told += " choose another schema (DATABASE_SCHEMA, WORKER_… or MEMBERS_DATABASE_SCHEMA)."
        return MigrationRefusedError(f"{told} The migration changed nothing.")
