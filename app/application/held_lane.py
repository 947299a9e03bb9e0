"""Use cases: where orders wait that name a row which another session holds, apart from all others."""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import Row
from app.domain.order import Order
from kits.observability.logs import get_logger

log = get_logger(__name__)

_LOOK_SECONDS = 0.05
_MOST_ROWS = 10_000


class RowWatch(Protocol):
    """What the lane needs of HeldRows."""

    async def held(self, rows: AbstractSet[Row]) -> set[Row]:
        """Those of the rows that another session holds at this moment."""
        ...

    async def becomes_free(self, row: Row) -> bool:
        """Queue for one row for a moment; whether its turn came."""
        ...


@dataclass(slots=True, eq=False)
class WaitingOrder:
    """A command on its way through the intake, and where its caller waits."""

    command: CreateOrder
    outcome: asyncio.Future[Order | ReplayedOrder]
    give_up_at: float = math.inf


class HeldLane:
    """At most `size` orders, each for `patience_seconds`; and the rows that are known to be held.

    A row stays known until it is seen free: so only the first order of an incident runs into it, and with it
    the neighbours of its batch. Nothing is held while a row is waited for.
    """

    def __init__(self, rows: RowWatch | None, *, size: int, patience_seconds: float) -> None:
        """Without `rows` nobody can wait."""
        self._rows = rows
        self._size = size
        self._patience_seconds = patience_seconds
        self._orders: deque[WaitingOrder] = deque()
        self._held: set[Row] = set()

    def __len__(self) -> int:
        return len(self._orders)

    def in_the_way_of(self, command: CreateOrder) -> set[Row]:
        """The rows of this command that are known to be held."""
        return command.rows & self._held if self._held else set()

    def admit(self, order: WaitingOrder, rows: Iterable[Row]) -> bool:
        """Let it wait for these rows; False when it has waited long enough, or the lane is full."""
        if self._rows is None:
            return False
        self._remember(set(rows))
        now = asyncio.get_running_loop().time()
        order.give_up_at = min(order.give_up_at, now + self._patience_seconds)
        if now >= order.give_up_at or len(self._orders) >= self._size:
            return False
        self._orders.append(order)
        return True

    async def look(self) -> tuple[list[WaitingOrder], list[WaitingOrder]]:
        """After a moment: the orders that nothing is known to stand in the way of, and those that give up."""
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            if self._rows:
                await self._look(self._rows)
        except Exception as error:  # noqa: BLE001 - no caller may be left behind, whatever happens here
            # Whatever it is, the orders will meet it in their own transaction.
            log.warning("held_rows_unknown", error=type(error).__name__, action="see what the orders meet")
            self._held.clear()
        now = asyncio.get_running_loop().time()
        waiting, free, given_up = list(self._orders), [], []
        self._orders.clear()
        for order in waiting:
            if not self.in_the_way_of(order.command):
                free.append(order)
            elif now >= order.give_up_at:
                given_up.append(order)
            else:
                self._orders.append(order)
        return free, given_up

    async def _look(self, rows: RowWatch) -> None:
        asked = [row for order in self._orders for row in sorted(self.in_the_way_of(order.command))]
        held = await rows.held(set(asked))
        first = next((row for row in asked if row in held), None)
        if first is not None and await rows.becomes_free(first):
            held.discard(first)
        if free := self._held & (set(asked) - held):
            self._held -= free
            log.info("rows_free_again", rows=_names(free))

    def _remember(self, rows: set[Row]) -> None:
        if len(self._held) >= _MOST_ROWS:
            # Forgetting costs a short wait each; remembering without end would cost memory.
            self._held.clear()
        if new := rows - self._held:
            self._held |= new
            log.warning(
                "rows_held_by_others",
                rows=_names(new),
                action="end the session that holds them: see state, xact_start and query in pg_stat_activity",
            )


def _names(rows: Iterable[Row]) -> list[str]:
    return [f"{kind} {name}" for kind, name in sorted(rows)][:10]
