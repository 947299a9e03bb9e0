"""Outbox kit, values: an item that knows the record it becomes."""

from typing import Any

from kits.kafka.records import OutgoingRecord
from kits.ordered_queue.item import Item


class RecordItem(Item, gc=False, kw_only=True):
    """An event on its way to Kafka. Its owner says what is sent of it, and what logs call it."""

    def record(self) -> OutgoingRecord:
        """What goes to Kafka, byte for byte the same each time."""
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        """The fields that its log lines have."""
        raise NotImplementedError
