"""Entrance: `python -m bench.drain.floor`, what draining costs without lanes, inbox and commits.

Prints the events per second. Without an address it reads the topic and does nothing; with one it calls the
data platform with the product's own client, with no regard to orders.
"""

import argparse
import asyncio
import sys
import time
from uuid import UUID

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.drain.topic import PARTITIONS
from kits.kafka.client_values import incoming
from kits.kafka.records import IncomingRecord
from kits.settings import Secret
from worker.groups.data_platform.client import DataPlatformClient
from worker.inbox.item import InboxItem
from worker.inbox.records import Arrived, item_of, read_record

_POLL_RECORDS = 2_000
_TOPIC_ID = str(UUID(int=0))
_CALL_SECONDS = 10.0


class Floor:
    """One drain."""

    def __init__(
        self, client: DataPlatformClient | None, *, calls: int, events: int, batch_size: int = 1
    ) -> None:
        self._client = client
        self._batch_size = batch_size
        self._calls = calls
        self._events = events
        self._queue = asyncio.Queue[list[InboxItem]](2 * calls)

    async def run(self, bootstrap_servers: str) -> float:
        """Drain; returns the seconds from the first record to the last answer."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed",
        )  # fmt: skip
        await consumer.start()
        try:
            consumer.assign(PARTITIONS)
            calling = [asyncio.create_task(self._call()) for _ in range(self._calls)]
            began = await self._read(consumer)
            await self._queue.join()
            for task in calling:
                task.cancel()
            return time.monotonic() - began
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> float:
        read, began = 0, 0.0
        while read < self._events:
            found = await consumer.getmany(timeout_ms=200, max_records=_POLL_RECORDS)
            began = began or time.monotonic()
            for records in found.values():
                read += len(records)
                if self._client is not None:
                    await self._hand_over([incoming(record) for record in records], self._batch_size)
        return began

    async def _hand_over(self, records: list[IncomingRecord], size: int) -> None:
        for start in range(0, len(records), size):
            read = ((read_record(each, _TOPIC_ID), each) for each in records[start : start + size])
            await self._queue.put([item_of(row, each) for row, each in read if isinstance(row, Arrived)])

    async def _call(self) -> None:
        while self._client is not None:
            events = await self._queue.get()
            if self._batch_size > 1:
                await self._client.send_batch(events, begin_within=_CALL_SECONDS)
            else:
                await self._client.send(events[0], begin_within=_CALL_SECONDS)
            self._queue.task_done()


async def main(options: argparse.Namespace) -> float:
    """Events per second."""
    if not options.url:
        return await _per_second(Floor(None, calls=0, events=options.events), options)
    client = DataPlatformClient(url=options.url, token=Secret(""), connections=options.calls)
    floor = Floor(client, calls=options.calls, events=options.events, batch_size=options.batch_size)
    async with client:
        return await _per_second(floor, options)


async def _per_second(floor: Floor, options: argparse.Namespace) -> float:
    return float(options.events / await floor.run(options.bootstrap_servers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.drain.floor")
    parser.add_argument("bootstrap_servers")
    parser.add_argument("events", type=int)
    parser.add_argument("--url", default="")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--calls", type=int, default=0)
    sys.stdout.write(f"{uvloop.run(main(parser.parse_args()))}\n")
