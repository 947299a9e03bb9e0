"""A history as far as an earlier build knew it."""

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.migrations import History


class EarlierHistory(History):
    """Migrates to one revision and no further."""

    def __init__(self, section: str, *, upto: str) -> None:
        super().__init__(section)
        self._upto = upto

    def _upgrade(self, connection: Connection, former: str) -> None:
        names = {"version_table": self._tables.version, "schema": self._tables.schema}
        self._config.attributes.update(connection=connection, **names)
        command.upgrade(self._config, self._upto)

    async def _build_indexes(self, engine: AsyncEngine) -> None:
        """Those of later steps would name what is not there yet; the next migration builds all."""
