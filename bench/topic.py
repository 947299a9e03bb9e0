"""The topic as the bench sees it: how many events it has, and of which orders."""

from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ClientPartition

from contracts.topics import ORDER_EVENTS, ORDER_EVENTS_PARTITIONS

_FETCH_BYTES = 8 * 1024 * 1024


class TopicWatch:
    """Reads `order-events` without a group. No reader but this one; transactions are not used on it."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._partitions = [
            ClientPartition(ORDER_EVENTS, number) for number in range(ORDER_EVENTS_PARTITIONS)
        ]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def count(self) -> int:
        """How many records the topic has now."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def order_ids(self) -> list[str]:
        """The order of every event, repeats included."""
        ends = await self._consumer.end_offsets(self._partitions)
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        found: list[str] = []
        while len(found) < sum(ends.values()):
            for records in (await self._consumer.getmany(timeout_ms=1000, max_records=20_000)).values():
                found += [record.key.decode() for record in records]
        return found
