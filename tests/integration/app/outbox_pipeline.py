"""The outbox of one process on a real database, with a Kafka that answers when the test says so."""

import asyncio
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from app.outbox.table import OutboxStore, outbox_queue
from kits.observability.metrics import Metrics
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.outbox.kafka_sink import KafkaSink
from kits.resilience.breaker import Breaker
from kits.resilience.clock import BootClock
from kits.schemas.as_recorded import AsRecorded
from tests.fakes import FakeProducer
from tests.integration.app.conftest import LEASE_SECONDS, an_enqueue


class Pipeline:
    """The parts of one process, moved step by step; `schema` is where the shop's tables lie."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        lease_seconds: float = LEASE_SECONDS,
        schema: str = "public",
        producer: FakeProducer | None = None,
    ) -> None:
        self.token, lease, clock = str(uuid4()), Lease(lease_seconds), BootClock()
        self.producer = producer or FakeProducer()
        self.enqueue = an_enqueue(self.token, lease_seconds=lease_seconds, schema=schema)
        self.store = OutboxStore(engine, outbox_queue(schema), token=self.token, lease=lease, clock=clock)
        counts = QueueMetrics(Metrics()).of("outbox")
        self.lanes = Lanes(max_items=1000, max_bytes=1_000_000)
        self.write_back = WriteBack(self.store, lease, clock, counts)
        self.breaker = Breaker(clock)
        self.queue = OrderedQueue(
            lanes=self.lanes,
            sink=KafkaSink(self.producer, AsRecorded(), clock),
            store=self.store,
            write_back=self.write_back,
            breaker=self.breaker,
            retry=RetryPolicy(stalled_seconds=2.0),
            clock=clock,
            counts=counts,
        )

    async def relay_once(self) -> None:
        """One look, and what it claimed is on its way."""
        await self.queue.look()

    async def settle(self) -> None:
        """What Kafka has answered reaches the queue, and the database."""
        for _ in range(5):
            await asyncio.sleep(0)
        await self.write_back.flush(within_seconds=10.0)

    async def relay_all(self) -> None:
        """Relay and settle until nothing is left to claim."""
        before = -1
        while before != len(self.producer.sent):
            before = len(self.producer.sent)
            await self.relay_once()
            await self.settle()

    def seqs(self) -> list[int]:
        """What was sent, in order."""
        headers = [dict(record.headers) for record in self.producer.sent]
        return [int(header["order_seq"]) for header in headers]
