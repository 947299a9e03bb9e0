"""Ordered queue, operators: state changes by id, in the caller's transaction; the processes do the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol

from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.statements import GIVE_UP, NOTICES, PUT_BACK
from kits.postgres.driver import DriverConnection
from kits.postgres.schema import as_arrays

MAX_ROWS = 1000


class Notice(Protocol):
    """A row that stands in for another one, with the fields that `Enqueue.add` asks for."""

    @property
    def id(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def number(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action changed, and why it left other ids alone: the state that they are in.

    States: missing, unclaimed, waiting, replayed (waits again), dead, unnumbered (dead, and of no key's
    order), done, given up; of a notice: taken.
    """

    changed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class Actions:
    """What may be done to the rows of one queue, beside any number of processes, twice, or cut off.

    Each takes at most 1,000 ids.

    Raises:
        ValueError: there are more.
    """

    def __init__(self, table: QueueTable) -> None:
        self._table = table

    async def redrive(self, connection: DriverConnection, ids: Sequence[str]) -> Outcome:
        """Dead -> waiting, due now and without attempts."""
        return await self._change(connection, PUT_BACK, ids, state="dead")

    async def replay(self, connection: DriverConnection, ids: Sequence[str]) -> Outcome:
        """Done -> waiting, due now; what is refused or given up then is done again."""
        return await self._change(connection, PUT_BACK, ids, state="done")

    async def give_up(
        self, connection: DriverConnection, ids: Sequence[str], notices: Sequence[Notice] = ()
    ) -> Outcome:
        """Give up what is certainly not on its way: dead, or never claimed.

        What waits otherwise may be on its way: it is refused, try again when it is dead.

        Args:
            notices: one takes the key and number of an item that is given up, or fills a number that never
                came, and travels like any other item; its id is among the changed ones then. An item
                without one keeps its number.

        Raises:
            ValueError: a notice's id is in use; the transaction must be rolled back.
        """
        told = as_arrays(("key", "number"), [(notice.key, notice.number) for notice in notices])
        outcome = await self._change(connection, GIVE_UP, ids, **told)
        if not notices:
            return outcome
        columns = tuple(self._table.new_columns)
        rows = as_arrays(columns, map(attrgetter(*columns), notices))
        for notice_id, is_new, is_open in await self._run(connection, NOTICES, notices, rows):
            if is_open:
                raise ValueError(f"The notice's id {notice_id} is in use: give it a new one, and roll back.")
            if is_new:
                outcome.changed.append(str(notice_id))
            else:
                outcome.refused[str(notice_id)] = "taken"
        return outcome

    async def _change(
        self, connection: DriverConnection, template: str, ids: Sequence[str], **values: Any
    ) -> Outcome:
        outcome = Outcome()
        asked = as_arrays(("id",), [(each,) for each in ids])
        for row_id, has_changed, state in await self._run(connection, template, ids, asked | values):
            if has_changed:
                outcome.changed.append(str(row_id))
            else:
                outcome.refused[str(row_id)] = state
        return outcome

    async def _run(
        self,
        connection: DriverConnection,
        template: str,
        rows: Sequence[object],
        values: Mapping[str, Any],
    ) -> Sequence[Any]:
        if len(rows) > MAX_ROWS:
            raise ValueError(f"{len(rows)} rows at once: give at most {MAX_ROWS}, and go on after a commit.")
        return await connection.fetch(self._table.statement(template), values)
