"""Ordered queue, values: what a sink made of an item, and what is written of it."""

from enum import StrEnum

import msgspec

from kits.ordered_queue.item import Claim


class Kind(StrEnum):
    """The four ends of a send."""

    DONE = "done"
    REFUSED = "refused"
    """For good: the item is dead."""
    FAILED = "failed"
    """Perhaps its own fault: tried again, and its store may charge an attempt."""
    UNAVAILABLE = "unavailable"
    """The sink's trouble: tried again, and never charged."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """How a send ended. `written` goes into the owner's columns of a done row, in their order."""

    kind: Kind
    code: str = ""
    reason: str = ""
    retry_after_seconds: float = 0.0
    written: tuple[object, ...] = ()


DONE = Result(Kind.DONE)


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What is written of an item that is not done: it waits again, or it is dead."""

    claim: Claim
    result: Result | None = None
    """None: it was not sent, and is given back."""
    wait_seconds: float = 0.0
    """How long it waits at least; 0 leaves its place in the table as it was."""
    began: float = 0.0
    """When its last send began, by the holder's clock."""

    @property
    def is_dead(self) -> bool:
        """Whether it was refused."""
        return self.result is not None and self.result.kind is Kind.REFUSED

    @property
    def has_failed(self) -> bool:
        """Whether it may be the item's own fault."""
        return self.result is not None and self.result.kind is Kind.FAILED
