"""Kafka kit, sending: records of one partition that wait their turn, in the order of send()."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord

BATCH_OVERHEAD_BYTES = 61
"""The header of a record batch, format v2 (KIP-98); the broker's size limits count it."""

_RECORD_OVERHEAD_BYTES = 21 + 3 * 5
_HEADER_OVERHEAD_BYTES = 2 * 5


@dataclass(slots=True, eq=False)
class Pending:
    """A record between send() and the end of its future."""

    record: OutgoingRecord
    deadline: Deadline
    future: asyncio.Future[Acknowledgement]
    size: int
    since: float
    alone: bool = False
    doubts: int = 0
    acks_at_first_doubt: int = 0


def record_size(record: OutgoingRecord) -> int:
    """Upper bound of the record's bytes inside a batch (some 30 bytes above the truth)."""
    headers = sum([_encoded_length(name) + len(value) for name, value in record.headers])
    overhead = _RECORD_OVERHEAD_BYTES + len(record.headers) * _HEADER_OVERHEAD_BYTES
    return overhead + len(record.key or b"") + len(record.value or b"") + headers


def _encoded_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class SendQueue:
    """First in, first out; what is put back keeps its place, what is given up takes its key along."""

    def __init__(self) -> None:
        self._waiting: deque[Pending] = deque()
        self.bytes = 0
        """Of all that waits."""
        self.work = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, pending: Pending) -> None:
        self._waiting.append(pending)
        self.bytes += pending.size
        self.work.set()

    def put_back(self, batch: Iterable[Pending]) -> None:
        """Return records to the front, in their order: they are older than all that wait."""
        records = list(batch)
        self._waiting.extendleft(reversed(records))
        self.bytes += sum(pending.size for pending in records)
        if self._waiting:
            self.work.set()

    def take(self, *, now: float, max_bytes: int) -> list[Pending]:
        """The next batch, up to the first expired record; over `max_bytes` only with a single record."""
        batch: list[Pending] = []
        size = BATCH_OVERHEAD_BYTES
        while self._waiting:
            head = self._waiting[0]
            full = size + head.size > max_bytes or head.alone or batch[-1].alone if batch else False
            if full or head.deadline.passed(now):
                break
            batch.append(self._waiting.popleft())
            size += head.size
            self.bytes -= head.size
        self._note_work()
        return batch

    def expire(self, now: float) -> list[Pending]:
        """Remove what may no longer be handed to Kafka, and the later records of the same keys."""
        return self._remove(set(), now)

    def drop_keys(self, keys: Iterable[bytes | None]) -> list[Pending]:
        """Remove every record of these keys: an earlier one of theirs will not arrive. No key, no order."""
        return self._remove({key for key in keys if key is not None}, None)

    def drain(self) -> list[Pending]:
        """Remove everything, in order."""
        everything = list(self._waiting)
        self._waiting.clear()
        self.bytes = 0
        self._note_work()
        return everything

    def _remove(self, stopped: set[bytes], now: float | None) -> list[Pending]:
        if not stopped and (now is None or not any(p.deadline.passed(now) for p in self._waiting)):
            return []
        removed: list[Pending] = []
        kept: deque[Pending] = deque()
        for pending in self._waiting:
            key = pending.record.key
            if key in stopped or (now is not None and pending.deadline.passed(now)):
                removed.append(pending)
                self.bytes -= pending.size
                stopped |= set() if key is None else {key}
            else:
                kept.append(pending)
        self._waiting = kept
        self._note_work()
        return removed

    def _note_work(self) -> None:
        if self._waiting:
            self.work.set()
        else:
            self.work.clear()
