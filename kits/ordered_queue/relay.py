"""Ordered queue, the table's two sweeps: claims what waits there, and deletes what ended long ago."""

from dataclasses import dataclass, field

from kits.observability.logs import get_logger
from kits.ordered_queue.ports import Looked, Store, StoreUnavailableError
from kits.ordered_queue.write_back import WriteBack
from kits.process.background import PeriodicTask
from kits.resilience.breaker import Breaker

log = get_logger(__name__)

_BATCH = 1000
_RETENTION_SECONDS = 600.0
_NOTHING = Looked((), left=False, further=False)


@dataclass(eq=False)
class Relay:
    """Decides how much one look may claim; any number of processes look side by side.

    While the sink is away one item is claimed as a probe, when no other is on its way. After an outage of the
    store nobody's items are taken over until everybody had the time to write and to renew.
    """

    store: Store
    write_back: WriteBack
    breaker: Breaker
    is_behind: bool = field(default=False, init=False)
    """Whether a look of this round left something that may go: more of it is there than fits here."""

    async def look(self, *, room: int, room_bytes: int, on_their_way: int) -> Looked:
        """Claim what fits and may go, nothing while the store is away."""
        limit = self._limit(room, on_their_way)
        if limit == 0 or not self.write_back.may_take_over:
            return _NOTHING
        try:
            looked = await self.store.claim(limit=limit, max_bytes=room_bytes)
        except StoreUnavailableError:
            self.write_back.note_outage()
            return _NOTHING
        self.is_behind = looked.left or (looked.further and self.is_behind)
        if looked.claims:
            log.debug("queue_relayed", items=len(looked.claims))
        return looked

    def _limit(self, room: int, on_their_way: int) -> int:
        if self.breaker.is_closed:
            return min(_BATCH, room)
        return 1 if self.breaker.admits() and on_their_way == 0 else 0


class Retention:
    """Deletes what ended long ago, each batch by itself; any number of processes do it side by side."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task = PeriodicTask(self.delete_once, interval_seconds=_RETENTION_SECONDS)

    async def run(self) -> None:
        """Delete until cancelled: through the whole table, and again after ten minutes."""
        await self._task.run()

    async def delete_once(self) -> bool:
        """Go through one batch; True when rows are behind it."""
        try:
            return await self._store.delete_settled(limit=_BATCH)
        except StoreUnavailableError:
            return False
