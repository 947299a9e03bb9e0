"""Ordered queue, reading: claims what waits in the table: orphans, retries that are due, what others left."""

from kits.observability.logs import get_logger
from kits.ordered_queue.store import Looked, Store, StoreUnavailableError
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker

log = get_logger(__name__)

_BATCH = 1000
_NOTHING = Looked((), more=False)


class Relay:
    """Decides how much one look may claim; any number of processes look side by side.

    While the sink is away one item is claimed as a probe, when no other is on its way. After an outage of the
    store nobody's items are taken over until everybody had the time to write and to renew.
    """

    def __init__(self, store: Store, write_back: WriteBack, breaker: Breaker) -> None:
        self._store = store
        self._write_back = write_back
        self._breaker = breaker
        self.is_behind = False
        """Whether the last look left something behind: more waits in the table than fits here."""

    async def look(self, *, room: int, room_bytes: int, on_their_way: int) -> Looked:
        """Claim what fits and may go, nothing while the store is away."""
        limit = self._limit(room, on_their_way)
        if limit == 0 or not self._write_back.may_take_over:
            return _NOTHING
        try:
            looked = await self._store.claim(limit=limit, max_bytes=room_bytes)
        except StoreUnavailableError:
            self._write_back.note_outage()
            return _NOTHING
        self.is_behind = looked.more
        if looked.claims:
            log.debug("queue_relayed", items=len(looked.claims))
        return looked

    def _limit(self, room: int, on_their_way: int) -> int:
        if self._breaker.is_closed:
            return min(_BATCH, room)
        return 1 if self._breaker.admits() and on_their_way == 0 else 0
