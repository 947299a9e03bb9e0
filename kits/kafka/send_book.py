"""Kafka kit, sending: the book of records whose futures are open, bounded in number and bytes."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from kits.kafka.errors import BufferFullError, KafkaError
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.kafka.send_queue import Pending


class SendBook:
    """Every record from send() to the end of its future; oldest first."""

    def __init__(self, *, max_records: int, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        # An OrderedDict finds its oldest entry at once; a dict would step over all that was removed.
        self._open: OrderedDict[Pending, None] = OrderedDict()
        self.empty = asyncio.Event()
        self.empty.set()
        self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest open record has waited; 0.0 when none is open."""
        oldest = next(iter(self._open), None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest.since)

    def open(self, record: OutgoingRecord, deadline: Deadline, size: int) -> Pending:
        """Enter a record.

        Raises:
            BufferFullError: the book is full; nothing was entered.
        """
        if len(self._open) >= self._max_records or self._bytes + size > self._max_bytes:
            raise BufferFullError(f"{len(self._open)} records ({self._bytes} bytes) wait for Kafka already")
        future: asyncio.Future[Acknowledgement] = asyncio.get_running_loop().create_future()
        pending = Pending(record, deadline, future, size, self._clock())
        self._open[pending] = None
        self._bytes += size
        self.empty.clear()
        return pending

    def acknowledge(self, batch: Sequence[Pending], partition: int, base_offset: int) -> None:
        """End the futures of a batch that stands in the log from `base_offset` on; -1: where is not known."""
        for index, pending in enumerate(batch):
            offset = base_offset + index if base_offset >= 0 else -1
            if not pending.future.done():
                pending.future.set_result(Acknowledgement(pending.record.topic, partition, offset))
            self._close(pending)
        self.acknowledged += len(batch)

    def fail(self, records: Iterable[Pending], error: Callable[[], KafkaError]) -> None:
        """End the futures of these records, each with an error of its own."""
        for pending in records:
            if not pending.future.done():
                pending.future.set_exception(error())
                # A caller that has gone must not be reported as one that forgot to look.
                pending.future.exception()
            self._close(pending)

    def fail_all(self, error: Callable[[], KafkaError]) -> None:
        """End every open future."""
        self.fail(list(self._open), error)

    def _close(self, pending: Pending) -> None:
        if pending in self._open:
            del self._open[pending]
            self._bytes -= pending.size
        if not self._open:
            self.empty.set()
