"""Table, store: totals in, by their version rule, with the place that they were read to; and totals out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sales import SalesOfMinuteV1, start_of
from kits.postgres.driver import DriverStatement, driver_fetch, driver_transaction
from kits.postgres.schema import as_document, qualified
from services.sales.table.storage_errors import storage_errors
from services.sales.table.tables import sales_build, sales_per_minute, sales_position

# A build's totals only grow: repeats, old records and a topic read anew change nothing.
_UPSERT = """
INSERT INTO {table} AS known (build, minute, currency, orders, pieces, revenue)
SELECT :build, minute, currency, orders, pieces, revenue FROM json_to_recordset(CAST(:rows AS json))
    AS new (minute timestamptz, currency text, orders bigint, pieces numeric, revenue numeric)
    ORDER BY minute, currency
ON CONFLICT (build, minute, currency) DO UPDATE SET orders = excluded.orders, pieces = excluded.pieces,
    revenue = excluded.revenue, written_at = clock_timestamp() WHERE excluded.orders > known.orders
"""
_MOVE = """
INSERT INTO {position} AS known (build, partition, topic_id, next_offset)
SELECT :build, partition, topic_id, next_offset FROM json_to_recordset(CAST(:rows AS json))
    AS new (partition integer, topic_id uuid, next_offset bigint) ORDER BY partition
ON CONFLICT (build, partition) DO UPDATE SET topic_id = excluded.topic_id, next_offset = excluded.next_offset
    WHERE excluded.topic_id <> known.topic_id OR excluded.next_offset > known.next_offset
"""
_POSITIONS = "SELECT partition, topic_id, next_offset FROM {position} WHERE build = :build"
# Whoever removes a build waits for those that write to it, and they see afterwards that it is gone.
_IS_KEPT = "SELECT 1 FROM {build} WHERE name = :build AND state <> 'removed' FOR SHARE"
_PAGE = """
SELECT sales.build, minute, currency, orders, CAST(pieces AS text) AS pieces, CAST(revenue AS text) AS revenue
    FROM {table} sales JOIN {build} chosen ON chosen.name = sales.build AND chosen.state = 'in_force'
    WHERE minute >= :since AND minute < :until AND (minute, currency) > (:after_minute, :after_currency)
    ORDER BY minute, currency LIMIT CAST(:limit AS bigint)
"""


class Position(NamedTuple):
    """Where a build's topic is read next, in one partition of the topic with this id."""

    topic_id: UUID
    next_offset: int


class MinuteSales(NamedTuple):
    """One row, as it is shown."""

    minute: datetime
    currency: str
    orders: int
    pieces: int
    revenue: int


class SalesStore:
    """Every call is one transaction.

    Raises, from every call:
        StorageError: unless its code is `storage_unavailable`, nothing was stored.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._upsert, self._move = self._statement(_UPSERT), self._statement(_MOVE)
        self._positions, self._page = self._statement(_POSITIONS), self._statement(_PAGE)
        self._is_kept = self._statement(_IS_KEPT)

    async def positions(self, build: str) -> Mapping[int, Position]:
        """By partition, how far the build's topic has been read."""
        with storage_errors():
            rows = await driver_fetch(self._engine, self._positions, {"build": build})
        return {row["partition"]: Position(row["topic_id"], row["next_offset"]) for row in rows}

    async def write(
        self, build: str, sales: Iterable[SalesOfMinuteV1], positions: Mapping[int, Position]
    ) -> None:
        """Bring the table to these totals and these places, unless it is further; not for a removed build."""
        rows = [
            {
                "minute": start_of(each.minute),
                "currency": each.currency,
                "orders": each.orders,
                "pieces": each.pieces,
                "revenue": each.revenue,
            }
            for each in sales
        ]
        places = [
            {"partition": number, "topic_id": at.topic_id, "next_offset": at.next_offset}
            for number, at in positions.items()
        ]
        with storage_errors():
            async with driver_transaction(self._engine) as connection:
                if not await connection.fetch(self._is_kept, {"build": build}):
                    return
                if rows:
                    await connection.fetch(self._upsert, {"build": build, **as_document(rows)})
                await connection.fetch(self._move, {"build": build, **as_document(places)})

    async def page(
        self, since: datetime, until: datetime, *, after: tuple[datetime, str], limit: int
    ) -> Sequence[MinuteSales]:
        """Of the build in force, the minutes that begin in [since, until), behind `after`."""
        values = {
            "since": since,
            "until": until,
            "after_minute": after[0],
            "after_currency": after[1],
            "limit": limit,
        }
        with storage_errors():
            rows = await driver_fetch(self._engine, self._page, values)
        return [_sales_of(row) for row in rows]

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


def _sales_of(row: Any) -> MinuteSales:
    return MinuteSales(row["minute"], row["currency"], row["orders"], int(row["pieces"]), int(row["revenue"]))
