"""Outbox kit: starts and stops everything between commit and Kafka, in order."""

import asyncio

from kits.kafka.producer import RecordProducer
from kits.ordered_queue.queue import OrderedQueue
from kits.outbox.kafka_sink import RecordFormat
from kits.outbox.topics import OutboxTopics
from kits.process.background import Supervisor

_LAST_ANSWERS_SECONDS = 1.0


class OutboxLifecycle:
    """Kafka may be away at the start and at the end: neither waits for it longer than its bound."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        producer: RecordProducer,
        topics: OutboxTopics,
        record_format: RecordFormat,
        queue: OrderedQueue,
    ) -> None:
        self._supervisor = supervisor
        self._producer = producer
        self._queue = queue
        self._topics = topics
        self._format = record_format

    async def start(self) -> None:
        """Start the producer and the background tasks; returns at once, whether Kafka is there or not."""
        await self._producer.start()
        await self._producer.warm(self._topics.names)
        self._queue.start()
        self._supervisor.start("outbox-topics", self._topics.run)
        self._supervisor.start("record-format", self._format.run)

    async def stop(self, *, within_seconds: float = 3.0) -> None:
        """Stop claiming, let pending sends end, write their answers back, give the rest free."""
        await self._supervisor.stop()
        async with asyncio.TaskGroup() as ending:
            # The producer ends what has no answer; the queue waits for those ends and writes them.
            ending.create_task(self._queue.stop(within_seconds=within_seconds + _LAST_ANSWERS_SECONDS))
            ending.create_task(self._producer.stop(within_seconds=within_seconds))
