"""What arrived, in arrival order, and whether it kept the promises: once by key, in order per order."""

import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from devservices.data_platform.events import OfferedEvent
from devservices.data_platform.problems import Refusal

KEPT_ARRIVALS = 250_000
KEPT_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that was taken; `first` is False for a repeat of a known key. `number` counts from 1."""

    number: int
    received_at: str
    first: bool
    event: OfferedEvent

    def as_json(self) -> dict[str, Any]:
        """As `GET /received` shows it and the journal keeps it."""
        return {
            "number": self.number,
            "receivedAt": self.received_at,
            "first": self.first,
            "eventId": self.event.event_id,
            "orderId": self.event.order_id,
            "seq": self.event.seq,
            "traceparent": self.event.traceparent,
            "event": json.loads(self.event.body),
        }


@dataclass(slots=True)
class Arrivals:
    """Everything that was taken: the newest KEPT_ARRIVALS in full, and the keys of `key_limit` events."""

    key_limit: int = 2_000_000
    _count: int = 0
    _arrivals: deque[Arrival] = field(default_factory=lambda: deque(maxlen=KEPT_ARRIVALS))
    _keys: set[str] = field(default_factory=set)
    _last_seq: dict[str, int] = field(default_factory=dict)
    _violations: list[dict[str, Any]] = field(default_factory=list)
    _violation_count: int = 0
    _refused: Counter[str] = field(default_factory=Counter)
    _rejected: dict[str, None] = field(default_factory=dict)

    def knows(self, event_id: str) -> bool:
        """Whether an event with this key was taken before."""
        return event_id in self._keys

    def require_room(self, count: int) -> None:
        """Raises Refusal 503 when `count` more would be too many to keep."""
        if len(self._keys) + count > self.key_limit:
            raise Refusal(503, f"{self.key_limit} keys are kept: DELETE /received makes room", retry_after=5)

    def take(self, event: OfferedEvent, *, received_at: str | None = None) -> Arrival:
        """Add one arrival and judge it."""
        now = received_at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._count += 1
        arrival = Arrival(self._count, now, event.event_id not in self._keys, event)
        self._arrivals.append(arrival)
        if arrival.first:
            self._judge(event)
        return arrival

    def _judge(self, event: OfferedEvent) -> None:
        """First arrivals of an order come as 1, 2, 3 …; anything else is a violation of the order."""
        self._keys.add(event.event_id)
        expected = self._last_seq.get(event.order_id, 0) + 1
        self._last_seq[event.order_id] = event.seq
        if event.seq != expected:
            self._violation_count += 1
            found = {
                "orderId": event.order_id,
                "eventId": event.event_id,
                "seq": event.seq,
                "expected": expected,
            }
            self._violations = [*self._violations, found][-KEPT_VIOLATIONS:]

    def refuse(self, reason: str) -> None:
        """Count an event that was not taken."""
        self._refused[reason] += 1

    def reject(self, event_id: str) -> None:
        """Count an event that was refused for good, and keep its id."""
        self.refuse("rejected")
        self._rejected[event_id] = None

    def rejected(self) -> list[str]:
        """Ids of the events that were refused for good, oldest first; a restart forgets them."""
        return list(self._rejected)

    def summary(self) -> dict[str, Any]:
        """Counts; `violations` shows the newest of them."""
        return {
            "count": self._count,
            "orders": len(self._last_seq),
            "duplicates": self._count - len(self._keys),
            "orderViolations": self._violation_count,
            "violations": self._violations,
            "refused": dict(self._refused),
        }

    def of_order(self, order_id: str) -> Iterable[Arrival]:
        """All arrivals of one order, in arrival order."""
        return (arrival for arrival in self._arrivals if arrival.event.order_id == order_id)

    def after(self, number: int, limit: int) -> list[Arrival]:
        """Up to `limit` kept arrivals behind that one."""
        forgotten = self._count - len(self._arrivals)
        start = max(0, number - forgotten)
        return list(islice(self._arrivals, start, start + limit))

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._arrivals, self._keys, self._last_seq, self._refused, self._rejected):
            kept.clear()
        self._violations, self._violation_count, self._count = [], 0, 0
