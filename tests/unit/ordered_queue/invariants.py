"""What must hold at each step of a simulation, whatever was broken."""

from collections import defaultdict
from typing import NoReturn

from kits.ordered_queue.item import Claim
from kits.ordered_queue.lease import SAFETY_SECONDS


class BrokenPromiseError(AssertionError):
    """A promise of the queue does not hold."""


class Invariants:
    """Follows what arrives at the sink."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self.repeats = 0
        self._numbers: dict[str, set[int]] = defaultdict(set)
        self._ids: dict[tuple[str, int], str] = {}
        self._on_their_way: dict[tuple[int, str], Claim] = {}
        self.settled: set[str] = set()
        """Written as done, and not to be sent again."""
        self.broken: BrokenPromiseError | None = None
        """The first promise that did not hold; whoever raised it may have been supervised."""
        self.forgets = False
        """An older state of the database has come back: a number may come again as what it was before."""

    def fail(self, what: str) -> NoReturn:
        """A promise does not hold."""
        error = BrokenPromiseError(what)
        self.broken = self.broken or error
        raise error

    def leaves(
        self, process: int, claim: Claim, *, now: float, lease_seconds: float, asked_at: float
    ) -> None:
        """A process hands an item to the sink: one of a key at a time, and never after its own deadline."""
        way = (process, claim.item.key)
        if way in self._on_their_way:
            self.fail(f"two items of {claim.item.key} are on their way from one process")
        if claim.item.id in self.settled and not self.forgets:
            self.fail(f"{claim.item.id} is done, and sent again")
        if now >= claim.until:
            self.fail(f"{claim.item.id} leaves after its deadline")
        if claim.until > asked_at + lease_seconds - SAFETY_SECONDS + 1e-6:
            self.fail(f"the deadline of {claim.item.id} lies behind its lease")
        self._on_their_way[way] = claim

    def has_ended(self, process: int, claim: Claim) -> None:
        """The process knows the result."""
        self._on_their_way.pop((process, claim.item.key), None)

    def arrives(self, claim: Claim, now: float) -> None:
        """An item reaches the sink: first arrivals of a key come in the order of their numbers."""
        key, number = claim.item.key, claim.item.number
        if claim.item.id in self.arrived:
            self.repeats += 1
            return
        numbers = self._numbers[key]
        if missing := [each for each in range(1, number) if each not in numbers]:
            self.fail(f"{key}#{number} arrives before {missing}")
        other = self._ids.get((key, number))
        if other is not None and not self.forgets and any(each > number for each in numbers):
            self.fail(f"{claim.item.id} takes the place of {other} after later numbers")
        self._ids[key, number] = claim.item.id
        numbers.add(number)
        self.arrived[claim.item.id] = now

    def has_number(self, key: str, number: int) -> bool:
        """Whether something has arrived under this number."""
        return number in self._numbers[key]
