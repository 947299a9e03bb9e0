"""Request-reply, answers: writes replies to where a request wants them, if that is a place for replies."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

from kits.kafka.records import Acknowledgement, OutgoingRecord
from kits.rpc.errors import RpcError
from kits.rpc.patterns import topic_name
from kits.rpc.ports import RpcProducer
from kits.rpc.values import Shape
from kits.rpc.wire import ReplyAddress, UnreadableRequestError, error_record, reply_record

REPLY_SUFFIX = ".reply"
_MAX_TOPICS = 1_000
_KNOWN_SECONDS = 60.0
_UNKNOWN_SECONDS = 1.0
_QUESTIONS = 4
_MAX_UNACKNOWLEDGED = 64


class TopicDirectory(Protocol):
    """Finds out about topics."""

    async def partition_count(self, topic: str) -> int:
        """0: there is no such topic. Raises: KafkaError."""
        ...


class ReplyPlaces:
    """Where strangers may want replies: topics that end in `.reply` and exist; remembered for a minute.

    That one is not there is remembered for a second, and few are asked for at a time.
    """

    def __init__(self, directory: TopicDirectory) -> None:
        self._directory = directory
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._asking = asyncio.Semaphore(_QUESTIONS)

    async def check(self, address: ReplyAddress) -> None:
        """Raises: UnreadableRequestError, KafkaError (not to be found out now)."""
        if not address.topic.endswith(REPLY_SUFFIX):
            raise UnreadableRequestError(f"Replies go to topics that end in {REPLY_SUFFIX}.")
        try:
            topic_name(address.topic)
        except ValueError as error:
            raise UnreadableRequestError("The reply topic cannot be a topic.") from error
        count = await self._count(address.topic)
        if count == 0:
            raise UnreadableRequestError("There is no such reply topic.")
        if address.partition is not None and address.partition >= count:
            raise UnreadableRequestError(f"The reply topic has {count} partitions.")

    async def _count(self, topic: str) -> int:
        if (count := self._remembered(topic)) is not None:
            return count
        async with self._asking:
            # Somebody who waited before may have learned it.
            if (count := self._remembered(topic)) is not None:
                return count
            count = await self._directory.partition_count(topic)
        # Made-up names never push out those that are in use.
        where, other = (self._known, self._unknown) if count else (self._unknown, self._known)
        other.pop(topic, None)
        where[topic] = asyncio.get_running_loop().time(), count
        if len(where) > _MAX_TOPICS:
            where.popitem(last=False)
        return count

    def _remembered(self, topic: str) -> int | None:
        now = asyncio.get_running_loop().time()
        for where, seconds in ((self._known, _KNOWN_SECONDS), (self._unknown, _UNKNOWN_SECONDS)):
            asked_at, count = where.get(topic, (-seconds, 0))
            if now - asked_at < seconds:
                return count
        return None


class ReplyWriter:
    """Sends replies; each call returns when the broker has them.

    Raises, from every call:
        RecordTooLargeError, RecordRefusedError: Kafka will not take this one; refuse() instead.
        KafkaError: it was not to be sent in time.
    """

    def __init__(self, producer: RpcProducer) -> None:
        self._producer = producer

    async def reply(self, address: ReplyAddress, value: bytes | None, seconds: float) -> None:
        """The one reply."""
        await self._send(reply_record(address, value, is_last=True), seconds)

    async def refuse(self, address: ReplyAddress, error: RpcError, seconds: float) -> None:
        """An error, which is the last reply."""
        await self._send(error_record(address, error), seconds)

    async def replies(
        self, address: ReplyAddress, shape: Shape[Any], values: AsyncIterator[Any], seconds: float
    ) -> None:
        """A stream of replies: the last one is marked, so one is always held back."""
        sent: deque[asyncio.Future[Acknowledgement]] = deque()
        held: list[bytes | None] = []
        try:
            async with aclosing(values) as stream:  # type: ignore[type-var]  # an async generator
                async for value in stream:
                    sent.extend(
                        self._send(reply_record(address, each, is_last=False), seconds) for each in held
                    )
                    held = [shape.write(value)]
                    if len(sent) >= _MAX_UNACKNOWLEDGED:
                        await sent.popleft()
        except RpcError:
            for each in held:
                self._early(address, each, seconds)
            raise
        await self.reply(address, held[0] if held else None, seconds)

    def _early(
        self, address: ReplyAddress, value: bytes | None, seconds: float
    ) -> "asyncio.Future[Acknowledgement]":
        return self._send(reply_record(address, value, is_last=False), seconds)

    def _send(self, record: OutgoingRecord, seconds: float) -> "asyncio.Future[Acknowledgement]":
        return self._producer.send(record, not_after=time.monotonic() + seconds)
