"""Ordered queue, values: an item of a key, and the claim under which a process may send it."""

from enum import StrEnum

import msgspec


class Item(msgspec.Struct, gc=False):
    """One item; owners add fields of their own. The numbers of a key are sent in ascending order."""

    id: str
    key: str
    number: int
    payload: bytes
    attempts: int = 0
    """How often it has failed alone."""


class Predecessor(StrEnum):
    """Why an item could be claimed: what its store knew of the number before it."""

    DONE = "done"
    """Done or given up, or there is none."""
    OWN = "own"
    """Claimed by this process itself, so it may not be done yet."""


class Claim(msgspec.Struct, gc=False, eq=False):
    """The right of this process to send one item until `until`; `nth` claim of its row."""

    item: Item
    nth: int
    predecessor: Predecessor
    until: float
    """By the holder's own clock. A renewal pushes it forward."""
    relayed: bool = False
    """Claimed from the table, not born claimed."""
    tries: int = 0
    """How often it was sent under this claim."""

    def passed(self, now: float) -> bool:
        """Whether it may not be sent any more."""
        return now >= self.until
