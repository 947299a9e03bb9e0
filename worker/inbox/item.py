"""Inbox, value: an event on its way to the platform, as it was in its topic."""

from kits.ordered_queue.item import Item


class InboxItem(Item, gc=False, kw_only=True):
    """`id` is the event id, `key` the order id, `number` the seq, `payload` the value as it was on Kafka."""

    event_type: str
    topic: str
    partition: int
    offset: int
    record_key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    replayed: bool = False
    """It was delivered before, and an operator wants it delivered again."""
