"""Outbox: starts and stops everything between commit and Kafka, in order."""

from collections.abc import Sequence

from app.outbox.health import BacklogMeter
from app.outbox.relay import OutboxRelay
from app.outbox.retention import OutboxRetention
from app.outbox.topic import OutboxTopic
from app.outbox.write_back import WriteBack
from contracts.topics import ORDER_EVENTS
from kits.kafka.producer import RecordProducer
from kits.process.background import Supervisor

_Part = WriteBack | OutboxRelay | BacklogMeter | OutboxRetention | OutboxTopic


class OutboxLifecycle:
    """Kafka may be away at the start and at the end: neither waits for it longer than its bound."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        producer: RecordProducer,
        topic: OutboxTopic,
        write_back: WriteBack,
        relay: OutboxRelay,
        meter: BacklogMeter,
        retention: OutboxRetention,
    ) -> None:
        self._supervisor = supervisor
        self._producer = producer
        self._write_back = write_back
        self._background: Sequence[tuple[str, _Part]] = (
            ("outbox-write-back", write_back),
            ("outbox-relay", relay),
            ("outbox-meter", meter),
            ("outbox-retention", retention),
            ("outbox-topic", topic),
        )

    async def start(self) -> None:
        """Start the producer and the background tasks; returns at once, whether Kafka is there or not."""
        await self._producer.start()
        await self._producer.warm([ORDER_EVENTS])
        for name, task in self._background:
            self._supervisor.start(name, task.run)

    async def stop(self, *, within_seconds: float = 3.0) -> None:
        """Stop claiming, let pending sends end, write their answers back, give the rest free."""
        await self._supervisor.stop()
        await self._producer.stop(within_seconds=within_seconds)
        await self._write_back.flush(within_seconds=within_seconds)
