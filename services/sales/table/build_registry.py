"""Table, builds: which there are, which is in force, the switch from one to another, and the end of one."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverStatement, driver_fetch, driver_transaction
from kits.postgres.schema import qualified
from services.sales.table.storage_errors import storage_errors
from services.sales.table.tables import sales_build, sales_per_minute, sales_position

BUILDING, IN_FORCE, FORMER, REMOVED = "building", "in_force", "former", "removed"

_ALL = "SELECT name, state FROM {build} ORDER BY name"
_ADD = "INSERT INTO {build} (name, state) VALUES (:name, 'building') ON CONFLICT DO NOTHING"
_LOCK = "SELECT name, state FROM {build} ORDER BY name FOR UPDATE"
# What the topic has forgotten stands in the former build alone; a row that is further stays as it is.
_CARRY_OVER = """
INSERT INTO {table} AS known (build, minute, currency, orders, pieces, revenue)
SELECT :name, minute, currency, orders, pieces, revenue FROM {table}
    WHERE build = :former AND minute < greatest(CAST(:complete_from AS timestamptz),
        (SELECT coalesce(min(minute), 'infinity') FROM {table} WHERE build = :name)) ORDER BY minute, currency
ON CONFLICT (build, minute, currency) DO UPDATE SET orders = excluded.orders, pieces = excluded.pieces,
    revenue = excluded.revenue, written_at = clock_timestamp() WHERE excluded.orders > known.orders
RETURNING minute
"""
_SET = "UPDATE {build} SET state = :state, since = clock_timestamp() WHERE name = :name"
_DELETE = "DELETE FROM {table} WHERE build = :name"
_DELETE_PLACES = "DELETE FROM {position} WHERE build = :name"


class BuildError(Exception):
    """The build is not one with which this can be done; the text says which could."""

    code = "build_not_usable"


class BuildRegistry:
    """Every call is one transaction.

    Raises, from every call:
        StorageError: nothing was stored, unless its code is `storage_unavailable`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def states(self) -> Mapping[str, str]:
        """The state of every build by its name."""
        with storage_errors():
            rows = await driver_fetch(self._engine, self._statement(_ALL))
        return {row["name"]: row["state"] for row in rows}

    async def announce(self, name: str) -> None:
        """There is a build of this name, which is being made; one that was begun before goes on.

        Raises:
            BuildError: it was in force already, or is: its group would go on where that one ended.
        """
        with storage_errors():
            await driver_fetch(self._engine, self._statement(_ADD), {"name": name})
        state = (await self.states())[name]
        if state != BUILDING:
            raise BuildError(f"The build {name} is {state.replace('_', ' ')} already: choose another name.")

    async def switch(self, name: str, *, complete_from: datetime | None) -> int:
        """From now on everybody is shown this build.

        Minutes before `complete_from`, and those before its own first one, come from the former build, unless
        it has more orders itself. Returns how many rows were carried over.

        Raises:
            BuildError: it is not being made.
        """
        with storage_errors():
            async with driver_transaction(self._engine) as connection:
                states = {row["name"]: row["state"] for row in await connection.fetch(self._statement(_LOCK))}
                if states.get(name) != BUILDING:
                    raise BuildError(f"The build {name} is not being made (any longer): look at `builds`.")
                carried = 0
                for former in [each for each, state in states.items() if state == IN_FORCE]:
                    values = {"name": name, "former": former, "complete_from": complete_from}
                    carried = len(await connection.fetch(self._statement(_CARRY_OVER), values))
                    await connection.fetch(self._statement(_SET), {"name": former, "state": FORMER})
                await connection.fetch(self._statement(_SET), {"name": name, "state": IN_FORCE})
        return carried

    async def remove(self, name: str) -> None:
        """Forget its rows; its name is never used again. Again it does nothing.

        Raises:
            BuildError: it is in force, or there is none of this name.
        """
        with storage_errors():
            async with driver_transaction(self._engine) as connection:
                states = {row["name"]: row["state"] for row in await connection.fetch(self._statement(_LOCK))}
                if name not in states or states[name] == IN_FORCE:
                    raise BuildError(f"The build {name} is {'in force' if name in states else 'not known'}.")
                await connection.fetch(self._statement(_SET), {"name": name, "state": REMOVED})
                await connection.fetch(self._statement(_DELETE), {"name": name})
                await connection.fetch(self._statement(_DELETE_PLACES), {"name": name})

    def _statement(self, sql: str) -> DriverStatement:
        return DriverStatement(
            text(
                sql.format(
                    table=qualified(sales_per_minute, self._engine),
                    position=qualified(sales_position, self._engine),
                    build=qualified(sales_build, self._engine),
                )
            )
        )
