"""Inbox, value: why an event is stuck, in one word."""

from enum import StrEnum


class ErrorClass(StrEnum):
    """`error_class` of a row; the last two are no row's own, the lists find them."""

    REJECTED = "rejected"
    """The platform refused this very event."""
    UNREADABLE = "unreadable"
    """No event can be made of its bytes."""
    FAILING_ALONE = "failing_alone"
    """Its calls failed while those of others succeeded."""
    NUMBER_CONFLICT = "number_conflict"
    """Its number belongs to another event: it is kept, given up at birth."""
    PAYLOAD_LOST = "payload_lost"
    """It is to be replayed, and its topic has lost its bytes."""
    BLOCKED = "blocked"
    """It waits behind an earlier event of its order that is dead or retrying."""
    GAP = "gap"
    """A number before it is missing."""
