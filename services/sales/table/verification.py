"""Table, verification: the table against the orders themselves, minute by minute."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import metadata, qualified
from services.sales.table.storage_errors import storage_errors
from services.sales.table.tables import sales_build, sales_per_minute

orders = Table("orders", metadata())
_OF_ORDERS = """
SELECT date_trunc('minute', created_at) AS minute, currency, count(*) AS orders,
    CAST(sum((SELECT sum(CAST(line ->> 'quantity' AS bigint)) FROM jsonb_array_elements(lines) line)) AS text)
        AS pieces,
    CAST(sum(total) AS text) AS revenue
FROM {orders} WHERE created_at >= :since AND created_at < :until GROUP BY 1, 2
"""
_OF_TABLE = """
SELECT minute, currency, orders, CAST(pieces AS text) AS pieces, CAST(revenue AS text) AS revenue FROM {table}
WHERE build = coalesce(CAST(:build AS text), (SELECT name FROM {build} WHERE state = 'in_force'))
    AND minute >= :since AND minute < :until
"""
Totals = tuple[int, int, int]
_NOTHING: Totals = (0, 0, 0)


class Difference(NamedTuple):
    """A minute that differs: orders, pieces and revenue here and there."""

    minute: datetime
    currency: str
    table: Totals
    orders: Totals


class Verified(NamedTuple):
    """What was compared, and what differs, the oldest first."""

    minutes: int
    orders: int
    differences: Sequence[Difference]


class Verification:
    """Two reads, each of one moment: orders that are still on their way are differences."""

    def __init__(self, table: AsyncEngine, shop: AsyncEngine) -> None:
        self._table = table
        self._shop = shop

    async def run(self, since: datetime, until: datetime, *, build: str | None = None) -> Verified:
        """Compare the minutes of [since, until), both the start of one; of the build in force, or this one.

        Raises:
            StorageError: a database cannot be read.
        """
        named = qualified(orders, self._shop)
        values = {"since": since, "until": until}
        truth = await _read(self._shop, _OF_ORDERS.format(orders=named), values)
        sql = _OF_TABLE.format(
            table=qualified(sales_per_minute, self._table), build=qualified(sales_build, self._table)
        )
        found = await _read(self._table, sql, {**values, "build": build})
        differing = [
            Difference(*key, found.get(key, _NOTHING), truth.get(key, _NOTHING))
            for key in sorted(found.keys() | truth.keys())
            if found.get(key) != truth.get(key)
        ]
        return Verified(len(truth), sum(each[0] for each in truth.values()), differing)


async def _read(
    engine: AsyncEngine, sql: str, values: Mapping[str, Any]
) -> Mapping[tuple[datetime, str], Totals]:
    with storage_errors():
        rows = await driver_fetch(engine, DriverStatement(text(sql)), values)
    return {
        (row["minute"], row["currency"]): (row["orders"], int(row["pieces"] or 0), int(row["revenue"]))
        for row in rows
    }
