"""Records of order events, as a test needs them: good, repeated, broken."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from kits.kafka.records import Headers, IncomingRecord, OutgoingRecord
from worker.inbox.item import InboxItem

TOPIC = "events"
_offsets = count()


@dataclass(frozen=True)
class Sample:
    """One event of an order; `value` and `headers` take the place of the right ones."""

    order_id: str = "o-1"
    seq: int = 1
    event_id: str = field(default_factory=lambda: str(uuid4()))
    version: int = 1
    value: bytes | None = b""
    headers: Mapping[str, bytes] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    @property
    def payload(self) -> bytes | None:
        """The body."""
        if self.value != b"":
            return self.value
        content: dict[str, Any] = {
            "eventId": self.event_id,
            "eventType": "order.created",
            "eventVersion": self.version,
            "orderId": self.order_id,
            "seq": self.seq,
            "occurredAt": "2026-11-21T07:00:00.000Z",
            "order": {"total": 27000},
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @property
    def header_items(self) -> Headers:
        """The headers."""
        right = {
            "ce_id": self.event_id.encode(),
            "ce_type": b"order.created.v1",
            "ce_subject": self.order_id.encode(),
            "order_seq": str(self.seq).encode(),
            "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        } | dict(self.headers)
        return tuple((name, value) for name, value in right.items() if name not in self.without)

    def outgoing(self, topic: str) -> OutgoingRecord:
        """The event as a record to be written."""
        return OutgoingRecord(topic, self.order_id.encode(), self.payload, self.header_items)

    def incoming(self, offset: int | None = None, *, partition: int = 0) -> IncomingRecord:
        """The event as a record that was read."""
        return IncomingRecord(
            topic=TOPIC,
            partition=partition,
            offset=next(_offsets) if offset is None else offset,
            timestamp_ms=0,
            key=self.order_id.encode(),
            value=self.payload,
            headers=self.header_items,
        )

    def item(self, *, replayed: bool = False, attempts: int = 0) -> InboxItem:
        """The event as the inbox hands it over."""
        return InboxItem(
            id=self.event_id,
            key=self.order_id,
            number=self.seq,
            payload=self.payload or b"",
            attempts=attempts,
            event_type="order.created",
            topic=TOPIC,
            partition=0,
            offset=next(_offsets),
            record_key=self.order_id.encode(),
            headers=self.header_items,
            replayed=replayed,
        )


def an_order(order_id: str, last_seq: int = 5, first_seq: int = 1) -> list[Sample]:
    """All events of an order, in their order."""
    return [Sample(order_id, seq) for seq in range(first_seq, last_seq + 1)]
