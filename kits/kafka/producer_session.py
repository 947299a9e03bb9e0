"""Kafka kit, sending: one idempotent client from its start to its certain end."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client

from kits.kafka.diagnosis import explained
from kits.kafka.ending import bounded, uninterrupted
from kits.kafka.errors import KafkaUnavailableError
from kits.kafka.internals import abandon_batches, end_sender, start_client, when_sender_ends
from kits.kafka.records import OutgoingRecord, TopicPartition

_START_SECONDS = 15.0
_METADATA_SECONDS = 5.0
_STEP_SECONDS = 1.0


class SessionEndedError(KafkaUnavailableError):
    """The session was discarded before the broker answered; whether the batch is in the log is unknown."""

    code = "producer_session_ended"


class ProducerSession:
    """An idempotent client. A batch that fails spoils its sequence numbers, so it is used no further."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.broken = asyncio.Event()
        self.answered = False
        """Whether any batch was judged by the broker: the next session may then begin without a pause."""

    @classmethod
    async def open(cls, options: dict[str, Any], topics: Iterable[str]) -> "ProducerSession":
        """Connect, within 15 s.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: nothing is left behind.
        """
        producer = AIOKafkaProducer(**options)
        session = cls(producer)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await start_client(producer)
                # Without it the partitions of known topics would be unknown to the first sends.
                await session.refresh(topics, within_seconds=_METADATA_SECONDS)
        except (client.KafkaError, OSError, ValueError, TimeoutError) as error:
            await session.discard()
            raise await explained(error, "connecting the producer", options) from error
        except BaseException:
            await session.discard()
            raise
        when_sender_ends(producer, session.broken.set)
        return session

    def partitions_of(self, topic: str) -> list[int]:
        """The topic's partitions as last heard of, sorted; none if it is not known."""
        return sorted(self._producer.client.cluster.partitions_for_topic(topic) or ())

    def forbids(self, topic: str) -> bool:
        """Whether the broker said that this user may not see the topic."""
        return topic in self._producer.client.cluster.unauthorized_topics

    def has_leader(self, at: TopicPartition) -> bool:
        """Whether a leader is known. A batch that has none for a request timeout spoils the session (K2)."""
        leader = self._producer.client.cluster.leader_for_partition(ClientPartition(at.topic, at.partition))
        return leader is not None and leader != -1

    async def refresh(self, topics: Iterable[str], *, within_seconds: float) -> bool:
        """Ask for the metadata of these topics and of those known already; False without an answer."""
        for topic in topics:
            self._producer.client.add_topic(topic)
        try:
            async with asyncio.timeout(within_seconds):
                return bool(await self._producer.client.force_metadata_update())
        except TimeoutError:
            return False

    async def probe(self) -> None:
        """Ask a broker anything; raises a client error without an answer."""
        await self._producer.client.fetch_all_metadata()

    async def deliver(self, at: TopicPartition, records: Sequence[OutgoingRecord]) -> int:
        """Send one batch and wait, however long, for the truth: the offset of its first record, or -1.

        At most one batch per partition may be under way. The wait ends at the latest with discard().

        Raises:
            SessionEndedError: discarded before an answer.
            aiokafka.errors.KafkaError: this session is finished.
        """
        builder = self._producer.create_batch()
        for record in records:
            headers = list(record.headers)
            if builder.append(timestamp=None, key=record.key, value=record.value, headers=headers) is None:
                raise AssertionError("a batch was planned larger than the client's batch")
        answer = await self._producer.send_batch(builder, at.topic, partition=at.partition)
        metadata = await answer
        self.answered = True
        return -1 if metadata is None else int(metadata.offset)

    async def discard(self) -> None:
        """End the client for certain, within some seconds: what has no answer yet is never delivered later.

        Sender first: stop() alone, cut off by a bound, leaves a client that goes on sending.
        """
        self.broken.set()
        await uninterrupted(self._discard())

    async def _discard(self) -> None:
        if not await end_sender(self._producer, within_seconds=_STEP_SECONDS):
            # It waits for an answer in flight; without its connection there is nothing to wait for.
            await bounded(self._producer.client.close(), within_seconds=_STEP_SECONDS)
            await end_sender(self._producer, within_seconds=_STEP_SECONDS)
        abandon_batches(self._producer, SessionEndedError("the producer was discarded before an answer came"))
        await bounded(self._producer.stop(), within_seconds=_STEP_SECONDS)
