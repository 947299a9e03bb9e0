"""Kafka kit, receiving: one partition from its end on, without a group and its commits."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client

from kits.kafka.broker_requests import partitions_of
from kits.kafka.client_values import in_client, incoming
from kits.kafka.connections import Connections
from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_client
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.internals import start_client
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.kafka.security import KafkaSecurity, client_options
from kits.observability.logs import get_logger

log = get_logger(__name__)

_STEP_SECONDS = 2.0
_MAX_RECORDS = 1_000
_OPTIONS: dict[str, Any] = {
    "group_id": None,
    "enable_auto_commit": False,
    # What has expired unread is nobody's any more.
    "auto_offset_reset": "latest",
    "request_timeout_ms": 10_000,
    "metadata_max_age_ms": 30_000,
}


class PartitionTail:
    """Reads what is written to one partition after open() has returned for the first time.

    An outage shows as empty polls. A record that cannot be unpacked is left out, and those that were fetched
    with it. After KafkaUnavailableError open() it again: it goes on where it was.
    """

    def __init__(
        self, *, bootstrap_servers: str, security: KafkaSecurity, client_id: str, topic: str, slot: int
    ) -> None:
        """Args: slot: any number; it chooses the partition.

        Raises: KafkaConfigurationError for impossible security settings; nothing is contacted yet.
        """
        self._options = client_options(security) | _OPTIONS
        self._options |= {"bootstrap_servers": bootstrap_servers, "client_id": client_id}
        self._topic = topic
        self._slot = slot
        self._consumer: AIOKafkaConsumer | None = None
        self._at: TopicPartition | None = None
        self._next: int | None = None

    async def open(self, within_seconds: float = 15.0) -> TopicPartition:
        """Connect; everything that is written to the partition from now on will be read.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: nothing is left behind; it may be called again.
        """
        await self.close()
        consumer = AIOKafkaConsumer(**self._options)
        try:
            async with asyncio.timeout(within_seconds):
                await start_client(consumer)
                self._at = await self._place(consumer)
        except (client.KafkaError, OSError, ValueError, TimeoutError) as error:
            await end_client(consumer, within_seconds=_STEP_SECONDS)
            raise await explained(error, f"reading {self._topic}", self._options) from error
        except BaseException:
            await end_client(consumer, within_seconds=_STEP_SECONDS)
            raise
        self._consumer = consumer
        return self._at

    async def poll(self, timeout_ms: int) -> list[IncomingRecord]:
        """What has come since, in order; waits for it at most so long, and is not to be cancelled.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: open() it again.
        """
        if self._consumer is None or self._at is None:
            raise KafkaUnavailableError(f"{self._topic} is not open")
        at = in_client(self._at)
        try:
            found = await self._consumer.getmany(at, timeout_ms=timeout_ms, max_records=_MAX_RECORDS)
            self._next = await self._consumer.position(at)
        except client.KafkaError as error:
            raise await explained(error, f"reading {self._topic}", self._options) from error
        except Exception as error:
            log.warning(
                "kafka_records_left_out", topic=self._at.topic, partition=self._at.partition,
                error=repr(error), action="look who writes to this topic; later records are read",
            )  # fmt: skip
            self._next = None
            raise KafkaUnavailableError(f"{self._topic} cannot be unpacked; going on at its end") from error
        if not found and not self._consumer.partitions_for_topic(self._topic):
            # The client would wait for it without a word.
            raise KafkaConfigurationError(f"there is no topic {self._topic} any more")
        return [incoming(record) for records in found.values() for record in records]

    async def close(self) -> None:
        """End the client, within some seconds. Never raises."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await end_client(consumer, within_seconds=_STEP_SECONDS)

    async def _place(self, consumer: AIOKafkaConsumer) -> TopicPartition:
        there = await partitions_of(Connections(consumer), [self._topic])
        if not there:
            raise KafkaConfigurationError(f"there is no topic {self._topic}, or no right to see it")
        at = self._at
        if at is None or at not in there:
            # The topic may have been made anew with fewer partitions.
            at, self._next = there[self._slot % len(there)], None
        consumer.assign([in_client(at)])
        if self._next is None:
            await consumer.seek_to_end(in_client(at))
            self._next = await consumer.position(in_client(at))
        else:
            consumer.seek(in_client(at), self._next)
        return at
