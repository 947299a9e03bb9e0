"""The outbox of one process on a real database, with a Kafka that answers when the test says so."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from app.metrics import AppMetrics
from app.outbox.breaker import PublishBreaker
from app.outbox.publisher import OutboxPublisher
from app.outbox.relay import OutboxRelay
from app.outbox.store import OutboxStore
from app.outbox.write_back import WriteBack
from kits.observability.metrics import Metrics
from tests.fakes import FakeProducer
from tests.integration.app.conftest import LEASE_SECONDS


class Pipeline:
    """Store, publisher and relay of one process."""

    def __init__(self, engine: AsyncEngine, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.producer = FakeProducer()
        self.metrics = AppMetrics(Metrics())
        self.store = OutboxStore(engine, lease_seconds=lease_seconds)
        self.write_back = WriteBack(self.store, self.metrics, lease_seconds=lease_seconds)
        self.breaker = PublishBreaker(stalled_seconds=2.0, max_pending=8000)
        self.publisher = OutboxPublisher(self.write_back, self.producer, self.breaker, max_held=10_000)
        self.relay = OutboxRelay(self.store, self.publisher)

    async def relay_all(self) -> None:
        """Relay and settle until nothing is left to claim."""
        before = -1
        while before != len(self.producer.sent):
            before = len(self.producer.sent)
            await self.relay.relay_once()
            await asyncio.sleep(0)
            await self.write_back.settle()

    def seqs(self) -> list[int]:
        """What was sent, in order."""
        headers = [dict(record.headers) for record in self.producer.sent]
        return [int(header["order_seq"]) for header in headers]
