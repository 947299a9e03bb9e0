"""Inbox: takes over what the former build's ledger holds open, and gives it back if that must return."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.records import TopicPartition
from kits.postgres.driver import DriverConnection, DriverStatement, driver_connection, driver_transaction
from kits.postgres.identifiers import quoted
from worker.inbox.ledger import statements as sql

_LOOK_SECONDS = 0.5


class LedgerInUseError(Exception):
    """Operators' commands of the former build hold orders; all that they do not hold has moved."""

    code = "ledger_in_use"


class LedgerMigration:
    """Moves one group between the tables of the former build (`delivery…`) and the inbox's.

    What was delivered stays where it is: `delivery_order.last_seq` is where an order begins in the inbox. A
    move is made of transactions of at most 1,000 rows (an order goes back as a whole), each of which takes
    rows away where it writes them elsewhere: interrupted, repeated or run beside another it loses nothing.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        group: str,
        schema: str,
        within_seconds: float = 60.0,
        batch: int = 1_000,
    ) -> None:
        """Args: within_seconds: how long operators' commands of the former build are waited for."""
        self._batch_rows = batch
        self._engine = engine
        self._group = group
        self._schema = quoted(schema)
        self._within_seconds = within_seconds

    async def move(self) -> Counter[str]:
        """Take over what is dead, held or retrying, the audit, and a storm that stands.

        Returns how many events of each kind moved; `audited`: entries of the audit. Before the group's inbox
        works nothing of the former build may live; what that wrote after an earlier move comes along now.

        Raises:
            LedgerInUseError: repeat it when the commands have ended.
        """
        moved = await self._until_none_is_left()
        moved += await self._in_batches(sql.AUDIT)
        async with driver_transaction(self._engine) as connection:
            for statement in (sql.STORM, sql.PASSED):
                await self._run(connection, statement)
        return moved

    async def back(self) -> Counter[str]:
        """Write into the ledger what the former build needs to go on; the inbox is empty then.

        No worker of either build may live. Where the group reads on is in `positions()` before it; Kafka must
        have it. An order is blocked in the ledger by what is open of it. What the ledger has no word for is a
        dead letter there: a number that was given up above an open one. Replays that wait are forgotten.
        """
        moved: Counter[str] = Counter()
        after = ""
        while rows := await self._batch(sql.EVENTS_BACK, after=after):
            moved.update({status: count for status, count, _ in rows})
            after = max(order_id for *_, order_id in rows)
        moved += await self._in_batches(sql.ALONE_BACK)
        async with driver_transaction(self._engine) as connection:
            for statement in (sql.PARTITIONS_BACK, sql.STORM_BACK, sql.RELEASED_BACK):
                await self._run(connection, statement)
            for statement in (sql.FORGET_PARTITIONS, sql.FORGET_GROUP):
                await self._run(connection, statement)
        return moved + await self._in_batches(sql.AUDIT_BACK)

    async def positions(self) -> dict[TopicPartition, int]:
        """Where the group reads on, as its inbox has it."""
        async with driver_connection(self._engine) as connection:
            rows = await self._run(connection, sql.POSITIONS)
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    async def _until_none_is_left(self) -> Counter[str]:
        """Move all events; those that a command of the former build works on, when it lets go."""
        give_up_at = asyncio.get_running_loop().time() + self._within_seconds
        moved = await self._in_batches(sql.EVENTS)
        while left := await self._left():
            if asyncio.get_running_loop().time() >= give_up_at:
                raise LedgerInUseError(
                    f"{left} events belong to orders that `dlq` commands of the former build work on:"
                    " let these end, then repeat `python -m worker migrate`."
                )
            await asyncio.sleep(_LOOK_SECONDS)
            moved += await self._in_batches(sql.EVENTS)
        return moved

    async def _left(self) -> int:
        async with driver_connection(self._engine) as connection:
            ((left,),) = await self._run(connection, sql.LEFT)
        return int(left)

    async def _in_batches(self, statement: str) -> Counter[str]:
        """Repeat a statement that returns kinds and counts of what it moved, until it moves nothing."""
        moved: Counter[str] = Counter()
        while rows := await self._batch(statement):
            moved.update(dict(rows))
        return moved

    async def _batch(self, statement: str, **values: Any) -> Sequence[Any]:
        async with driver_transaction(self._engine) as connection:
            await self._run(connection, sql.ONE_AT_A_TIME)
            return await self._run(connection, statement, batch=self._batch_rows, **values)

    async def _run(self, connection: DriverConnection, statement: str, **values: Any) -> Sequence[Any]:
        prepared = DriverStatement(text(statement.replace("{schema}", self._schema)))
        return await connection.fetch(prepared, {"of_group": self._group, **values})
