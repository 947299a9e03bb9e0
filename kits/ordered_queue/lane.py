"""Ordered queue, rule: what this process holds of each key, and which item of it goes next.

The lane is the arbiter: a store's claim says what was true at its snapshot, the lane what has become of it.
"""

from collections import deque
from collections.abc import Sequence

from kits.ordered_queue.item import Claim, Predecessor

MAX_RUN = 64
"""Items of one key in memory."""
MAX_RUN_BYTES = 1_000_000
"""Their bytes, what is on its way apart; one item may exceed it. So no key fills the memory of all."""
_REMEMBERED = 10_000


class Lane:
    """One key: at most one item on its way, and behind it a run of consecutive numbers."""

    __slots__ = ("bytes", "on_its_way", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Claim] = deque()
        self.on_its_way: Claim | None = None
        self.bytes = 0
        """Of what waits."""

    @property
    def last(self) -> Claim | None:
        """The highest number that is here."""
        return self.waiting[-1] if self.waiting else self.on_its_way


class Lanes:
    """All keys of this process, bounded in items and bytes (what is on its way counts)."""

    def __init__(self, *, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._delivered: dict[str, int] = {}
        self.items = 0
        self.bytes = 0
        self.on_their_way = 0
        """Keys that have an item on its way."""

    @property
    def room(self) -> int:
        """How many more items may come."""
        return max(0, self._max_items - self.items) if self.bytes < self._max_bytes else 0

    @property
    def room_bytes(self) -> int:
        """How many more bytes may come; one item may exceed it."""
        return max(0, self._max_bytes - self.bytes)

    def take(self, claim: Claim) -> bool:
        """Put a claim into its lane; False if it must be given back.

        It follows its predecessor here. Into an empty lane comes what stands behind a done number, and what
        stands behind a number of our own only if we have delivered that: an empty lane proves nothing.
        """
        lane = self._lanes.get(claim.item.key)
        if not self.room or not self._may_follow(lane, claim):
            return False
        if lane is None:
            lane = self._lanes[claim.item.key] = Lane()
        lane.waiting.append(claim)
        lane.bytes += len(claim.item.payload)
        self.items += 1
        self.bytes += len(claim.item.payload)
        if len(lane.waiting) == 1 and lane.on_its_way is None:
            self._ready.append(lane)
        return True

    def next(self) -> Claim | None:
        """The next item of a key that has none on its way; it is now."""
        while self._ready:
            lane = self._ready.popleft()
            if lane.waiting and lane.on_its_way is None:
                lane.on_its_way = claim = lane.waiting.popleft()
                lane.bytes -= len(claim.item.payload)
                self.on_their_way += 1
                return claim
        return None

    def delivered(self, claim: Claim) -> None:
        """The item on its way is done: the next one of its key may go."""
        key = claim.item.key
        self._delivered.pop(key, None)
        self._delivered[key] = claim.item.number
        if len(self._delivered) > _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]
        lane = self._arrived(claim)
        if lane.waiting:
            self._ready.append(lane)

    def failed(self, claim: Claim) -> Sequence[Claim]:
        """The item on its way is not done: the rest of its run, which must be given back."""
        self._delivered.pop(claim.item.key, None)
        lane = self._arrived(claim)
        return self._emptied(lane)

    def give_back_waiting(self) -> list[Claim]:
        """Everything that is not on its way."""
        self._ready.clear()
        return [claim for lane in list(self._lanes.values()) for claim in self._emptied(lane)]

    def _may_follow(self, lane: Lane | None, claim: Claim) -> bool:
        number = claim.item.number
        last = lane.last if lane is not None else None
        if lane is not None and last is not None:
            fits = len(lane.waiting) < MAX_RUN and lane.bytes < MAX_RUN_BYTES
            return last.item.number == number - 1 and fits
        return claim.predecessor is Predecessor.DONE or self._delivered.get(claim.item.key) == number - 1

    def _arrived(self, claim: Claim) -> Lane:
        lane = self._lanes[claim.item.key]
        lane.on_its_way = None
        self.on_their_way -= 1
        self._forget(claim)
        if not lane.waiting:
            del self._lanes[claim.item.key]
        return lane

    def _emptied(self, lane: Lane) -> list[Claim]:
        claims = list(lane.waiting)
        lane.waiting.clear()
        lane.bytes = 0
        for claim in claims:
            self._forget(claim)
        if claims and lane.on_its_way is None:
            self._lanes.pop(claims[0].item.key, None)
        return claims

    def _forget(self, claim: Claim) -> None:
        self.items -= 1
        self.bytes -= len(claim.item.payload)
