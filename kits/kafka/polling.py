"""Kafka kit, receiving: one fetch at a time, that a cancelled caller never cancels."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client

from kits.kafka.assignment import AssignmentWatch
from kits.kafka.client_values import incoming
from kits.kafka.errors import (
    KafkaError,
    KafkaUnavailableError,
    OffsetMissingError,
    OffsetOutOfRangeError,
    PartitionError,
)
from kits.kafka.failures import translated
from kits.kafka.internals import note_poll, position_of, raise_coordination_error
from kits.kafka.records import IncomingRecord, TopicPartition

Batches = dict[TopicPartition, list[IncomingRecord]]


class Polling:
    """getmany in a task of its own. Cancelled within, it would leave the client's poll clock running (K4)."""

    def __init__(self, consumer: AIOKafkaConsumer, watch: AssignmentWatch) -> None:
        self._consumer = consumer
        self._watch = watch
        self._fetch: asyncio.Task[tuple[int, dict[ClientPartition, Sequence[Any]]]] | None = None

    async def poll(self, *, timeout_ms: int, max_records: int) -> Batches:
        """What the running or a new fetch brings within the timeout; nothing during a rebalance."""
        give_up_at = asyncio.get_running_loop().time() + timeout_ms / 1000
        if not await _within(give_up_at, self._watch.delivering):
            self._stay_in_touch()
            return {}
        if self._fetch is None:
            self._fetch = asyncio.create_task(self._getmany(timeout_ms, max_records), name="kafka-getmany")
        # A tenth of a second longer than the client itself: an empty answer is the rule, not a left-over.
        remaining = give_up_at - asyncio.get_running_loop().time() + 0.1
        await asyncio.wait([self._fetch], timeout=max(0.0, remaining))
        self._watch.raise_failure()
        if not self._fetch.done() or not self._watch.delivering.is_set():
            return {}
        return self._take(self._fetch)

    def forget(self, partition: TopicPartition) -> None:
        """Drop what was fetched of this partition and not handed out: its position has been moved."""
        if self._fetch is not None and self._fetch.done() and self._fetch.exception() is None:
            self._fetch.result()[1].pop(ClientPartition(partition.topic, partition.partition), None)

    async def close(self) -> None:
        """End the running fetch, within a second; the consumer is of no use afterwards."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch], timeout=1.0)
            if self._fetch.done() and not self._fetch.cancelled():
                self._fetch.exception()

    def _stay_in_touch(self) -> None:
        """Without an assignment nothing is fetched, and only a fetch would do and tell this."""
        note_poll(self._consumer)
        self._watch.raise_failure()
        try:
            raise_coordination_error(self._consumer)
        except client.KafkaError as error:
            raise _told(error) from error

    async def _getmany(
        self, timeout_ms: int, max_records: int
    ) -> tuple[int, dict[ClientPartition, Sequence[Any]]]:
        batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        return self._watch.fetching_epoch, batches

    def _take(self, fetch: asyncio.Task[tuple[int, dict[ClientPartition, Sequence[Any]]]]) -> Batches:
        self._fetch = None
        try:
            epoch, batches = fetch.result()
        except (client.KafkaError, client.ConsumerStoppedError) as error:
            told = _told(error)
            if self._is_mended(told):
                return {}
            raise told from error
        if epoch != self._watch.epoch:
            return {}
        found: Batches = {}
        for tp, records in batches.items():
            partition = TopicPartition(tp.topic, tp.partition)
            if partition in self._watch.paused:
                self._consumer.seek(tp, records[0].offset)
            else:
                found[partition] = [incoming(record) for record in records]
        return found

    def _is_mended(self, error: KafkaError) -> bool:
        """Whether a partition was sought, or taken away, between the client's complaint and this poll."""
        if not isinstance(error, PartitionError):
            return False
        position = position_of(self._consumer, error.topic_partition)
        complaint = error.offset if isinstance(error, OffsetOutOfRangeError) else None
        return error.topic_partition not in self._watch.partitions or position != complaint


async def _within(give_up_at: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout_at(give_up_at):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _told(error: BaseException) -> KafkaError:
    if isinstance(error, client.NoOffsetForPartitionError):
        at = error.args[0]
        return OffsetMissingError(TopicPartition(at.topic, at.partition))
    if isinstance(error, client.OffsetOutOfRangeError):
        at, offset = next(iter(error.args[0].items()))
        return OffsetOutOfRangeError(TopicPartition(at.topic, at.partition), offset)
    if isinstance(error, client.ConsumerStoppedError):
        return KafkaUnavailableError("the consumer is stopped: build a new one")
    return translated(error, "consuming (build a new consumer)")
