"""Ordered queue, values: an item of a key, the claim to send it, and what became of it."""

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


class Kind(StrEnum):
    """The four ends of a send."""

    DONE = "done"
    REFUSED = "refused"
    """For good: the item is dead."""
    FAILED = "failed"
    """Perhaps its own fault: tried again, and its table may charge an attempt."""
    UNAVAILABLE = "unavailable"
    """The sink's trouble: tried again, and never charged."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """How a send ended. `written` goes into the owner's columns of a done row, in their order."""

    kind: Kind
    code: str = ""
    reason: str = ""
    retry_after_seconds: float = 0.0
    written: tuple[object, ...] = ()
    began: float = 0.0
    """When the call really began, by the holder's clock; 0: when the item was given to the sink."""


DONE = Result(Kind.DONE)


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What is written of the end of a claim: the item is done, dead, or waits again."""

    claim: Claim
    result: Result | None = None
    """None: it was not sent, and is given back."""
    wait_seconds: float = 0.0
    """How long it waits at least; 0 leaves its place in the table as it was."""
    began: float = 0.0
    """When its last call began, by the holder's clock."""
