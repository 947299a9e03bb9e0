"""Kafka kit, receiving: reading and committing offsets, each call bounded and bound to its epoch."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client

from kits.kafka.assignment import AssignmentWatch
from kits.kafka.client_values import in_client
from kits.kafka.errors import KafkaUnavailableError, StaleAssignmentError
from kits.kafka.failures import translated
from kits.kafka.internals import is_member
from kits.kafka.records import TopicPartition

T = TypeVar("T")


class GroupOffsets:
    """The offsets of one consumer's group, and the ends of the logs."""

    def __init__(self, consumer: AIOKafkaConsumer, watch: AssignmentWatch) -> None:
        self._consumer = consumer
        self._watch = watch

    async def commit(
        self, offsets: Mapping[TopicPartition, int], *, epoch: int, within_seconds: float
    ) -> None:
        """See GroupConsumer.commit."""
        if not self._watch.is_current(epoch) or not is_member(self._consumer):
            raise StaleAssignmentError(f"epoch {epoch} has ended, the current one is {self._watch.epoch}")
        commit = asyncio.create_task(self._consumer.commit({in_client(tp): at for tp, at in offsets.items()}))
        ended = asyncio.create_task(self._watch.ended.wait())
        try:
            await asyncio.wait({commit, ended}, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            # A commit that hangs would be tried again after a rebalance, under the generation of then.
            answered = not commit.cancel()
        if answered:
            _judge(commit.exception())
        elif not self._watch.is_current(epoch):
            raise StaleAssignmentError(f"epoch {epoch} ended during the commit")
        else:
            raise KafkaUnavailableError(f"the commit was not answered within {within_seconds} s")

    async def committed(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float
    ) -> dict[TopicPartition, int | None]:
        """See GroupConsumer.committed."""

        async def ask() -> dict[TopicPartition, int | None]:
            return {tp: await self._consumer.committed(in_client(tp)) for tp in partitions}

        return await _asked(ask(), "reading committed offsets", within_seconds)

    async def log_start(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float
    ) -> dict[TopicPartition, int]:
        """See GroupConsumer.log_start."""
        ask = self._consumer.beginning_offsets([in_client(tp) for tp in partitions])
        return _ours(await _asked(ask, "reading log starts", within_seconds))

    async def log_end(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float
    ) -> dict[TopicPartition, int]:
        """See GroupConsumer.log_end."""
        ask = self._consumer.end_offsets([in_client(tp) for tp in partitions])
        return _ours(await _asked(ask, "reading log ends", within_seconds))


def _ours(offsets: Mapping[ClientPartition, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(tp.topic, tp.partition): offset for tp, offset in offsets.items()}


async def _asked(question: Awaitable[T], doing: str, within_seconds: float) -> T:
    try:
        async with asyncio.timeout(within_seconds):
            return await question
    except TimeoutError as error:
        raise KafkaUnavailableError(f"{doing}: no answer within {within_seconds} s") from error
    except client.KafkaError as error:
        raise translated(error, doing) from error


def _judge(error: BaseException | None) -> None:
    if isinstance(error, client.CommitFailedError | client.IllegalStateError):
        raise StaleAssignmentError("the group refused the commit: it has rebalanced") from error
    if error is not None:
        raise translated(error, "committing offsets") from error
