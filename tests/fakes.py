"""Fakes of what a test must control: a Kafka that answers when the test says so."""

import asyncio
from collections.abc import Sequence
from typing import Any

from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.ordered_queue.item import Claim


class FakeProducer:
    """A RecordProducer whose answers the test gives; by default it acknowledges at once, in order."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.sent: list[OutgoingRecord] = []
        self.deadlines: list[Deadline] = []
        self.waiting: list[asyncio.Future[Acknowledgement]] = []
        self.oldest_pending_seconds = 0.0

    @property
    def pending(self) -> int:
        return len(self.waiting)

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        assert isinstance(not_after, Deadline)
        future: asyncio.Future[Acknowledgement] = asyncio.get_running_loop().create_future()
        self.sent.append(record)
        self.deadlines.append(not_after)
        self.waiting.append(future)
        if self.answers:
            self.answer()
        return future

    def answer(self) -> None:
        """Acknowledge all that waits."""
        for future in self.waiting:
            future.set_result(Acknowledgement("order-events", 0, len(self.sent)))
        self.waiting.clear()

    def refuse(self, error: Exception) -> None:
        """Fail all that waits."""
        for future in self.waiting:
            future.set_exception(error)
        self.waiting.clear()


class FakePublisher:
    """An EventPublisher that keeps what it was given."""

    def __init__(self, *, accepting: bool = True) -> None:
        self.accepting = accepting
        self.published: list[Claim] = []

    def accepts(self) -> bool:
        return self.accepting

    def offer(self, claims: Sequence[Any]) -> None:
        self.published += claims
