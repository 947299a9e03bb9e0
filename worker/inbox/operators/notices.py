"""Inbox, rule: what an operator gives up of an order, and what the platform is told in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from contracts.envelope import headers_of
from contracts.order_events import (
    OrderEventSkippedV1,
    message_of,
    skip_notice_id,
    skipped_event,
)
from worker.inbox.headers import encode_headers
from worker.inbox.records import Arrived

MISSING_LIMIT = 1_000
"""So many numbers that nobody ever saw may be given up at once: each is told to the platform."""


class NothingToGiveUpError(Exception):
    """Nothing here can be given up as it was asked for; the sentence says why."""

    code = "nothing_to_give_up"


@dataclass(frozen=True, slots=True)
class OpenRow:
    """An open event of an order; `seq` is None where it could not be read, and it holds nothing then.

    What is replayed was delivered: given up it is so again, and nobody is told.
    """

    event_id: str
    seq: int | None
    is_notice: bool
    is_replayed: bool
    topic: str
    topic_id: str
    partition: int
    offset: int


Numbered: TypeAlias = tuple[int, OpenRow]


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """What is open of an order, by number, unknown ones first; `last` is the number before the first of them
    that is known: delivered or given up, 0 where the order begins with a number that is missing."""

    order_id: str | None
    last: int
    rows: Sequence[OpenRow]

    @property
    def numbered(self) -> Sequence[Numbered]:
        """Those that hold a number."""
        return [(row.seq, row) for row in self.rows if row.seq is not None]


@dataclass(frozen=True, slots=True)
class GivingUp:
    """A decision: these rows, and these numbers that nobody saw, each with the row behind it."""

    rows: Sequence[OpenRow]
    missing: Sequence[Numbered] = ()

    @property
    def numbers(self) -> str:
        """As in `number 2, 5` or `number 2, missing 3, 4`."""
        seen = [str(row.seq) for row in self.rows if row.seq is not None]
        unseen = [str(number) for number, _ in self.missing]
        parts = [
            "number " + ", ".join(seen) if seen else "",
            "missing " + ", ".join(unseen) if unseen else "",
        ]
        return ", ".join(filter(None, parts)) or "no number"

    def notes(self, order_id: str | None) -> list[tuple[str | None, str | None, str]]:
        """What is noted: order id, event id and detail of each."""
        seen = [
            (order_id, row.event_id, "no number" if row.seq is None else f"number {row.seq}")
            for row in self.rows
        ]
        return [*seen, *((order_id, None, f"number {number}, never seen") for number, _ in self.missing)]


def plan_skip(order: OpenOrder, event_id: str | None = None, seq: int | None = None) -> GivingUp:
    """Give up what is at the front: the numbers that are missing before it, or else the event itself.

    Args:
        event_id, seq: the operator means this event or number: then nothing else is given up.

    Raises:
        NothingToGiveUpError: it is not there.
    """
    if event_id is not None:
        return GivingUp([_chosen(order, event_id)])
    missing = _missing(order.last, order.numbered[:1])
    if seq is not None:
        found = [each for each in missing if each[0] == seq]
        row = [row for number, row in order.numbered if number == seq]
        if not found and not row:
            raise NothingToGiveUpError(f"number {seq} is neither open nor missing at the front of the order")
        return GivingUp(row, found)
    if missing:
        return GivingUp((), missing)
    return GivingUp(order.rows[:1])


def plan_discard(order: OpenOrder) -> GivingUp:
    """Give up everything that is open of an order, with the numbers that are missing in between."""
    return GivingUp(order.rows, _missing(order.last, order.numbered))


def notices_of(decision: GivingUp, order_id: str, *, group: str, reason: str) -> list[tuple[Arrived, str]]:
    """The rows of order.event_skipped, by number, and of which event each is the notice ('': of none)."""
    told = [(row.seq, row.event_id, row) for row in decision.rows if row.seq and not row.is_replayed]
    told += [(number, "", row) for number, row in decision.missing]
    found = []
    for number, event_id, place in sorted(told, key=lambda each: each[0]):
        notice = skipped_event(
            event_id=skip_notice_id(group, order_id, number),
            order_id=order_id,
            seq=number,
            skipped_event_id=event_id or None,
            reason=reason,
            now=datetime.now(UTC),
        )
        found.append((_row(notice, place), event_id))
    return found


def _row(notice: OrderEventSkippedV1, place: OpenRow) -> Arrived:
    """It stands where the row stands that it takes the place of, or that waits behind it."""
    occurred_at = datetime.fromisoformat(notice.occurred_at)
    message = message_of(notice, topic=place.topic, occurred_at=occurred_at)
    return Arrived(
        id=notice.event_id,
        key=notice.order_id,
        number=notice.seq,
        payload=message.payload,
        is_first=notice.seq == 1,
        event_type=notice.event_type,
        topic=place.topic,
        topic_id=place.topic_id,
        partition=place.partition,
        offset=place.offset,
        headers=encode_headers(headers_of(message)),
    )


def _chosen(order: OpenOrder, event_id: str) -> OpenRow:
    for row in order.rows:
        if row.event_id == event_id:
            return row
    raise NothingToGiveUpError(f"event {event_id} is not open")


def _missing(last: int, rows: Sequence[Numbered]) -> list[Numbered]:
    found: list[Numbered] = []
    for number, row in rows:
        found += [(missing, row) for missing in range(last + 1, min(number, last + MISSING_LIMIT + 2))]
        last = number
    if len(found) > MISSING_LIMIT:
        reason = f"more than {MISSING_LIMIT} numbers are missing: find out where they are first"
        raise NothingToGiveUpError(reason)
    return found
