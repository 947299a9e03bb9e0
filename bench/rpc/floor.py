"""The floor: the same echo with the Kafka client alone, no deadlines, no checks, no groups, no errors."""

import asyncio
import itertools
import sys
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.rpc.calling import Message, measure
from kits.process.garbage_collection import long_lived_objects_set_aside
from kits.process.signals import stop_on_signals

_DECODER = msgspec.json.Decoder(Message)
_POLL_MS = 200
_GREETING_SECONDS = 0.5


ASKED, ANSWERED = "bench-rpc.floor", "bench-rpc.floor-replies"
"""Where it asks, and where it answers; one partition each is used."""


class FloorCaller:
    """calling.Echo, by the client's own calls."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer
        self._numbers = itertools.count()
        self._waiting: dict[bytes, asyncio.Future[Message]] = {}

    async def ask(self, message: Message) -> Message:
        """See Echo."""
        name = str(next(self._numbers)).encode()
        self._waiting[name] = asyncio.get_running_loop().create_future()
        headers = [("id", name)]
        await self._producer.send(ASKED, msgspec.json.encode(message), headers=headers, partition=0)
        try:
            return await self._waiting[name]
        finally:
            del self._waiting[name]

    async def greet(self) -> None:
        """Ask until the service answers: what it is asked before it reads is lost."""
        while True:
            asking = asyncio.create_task(self.ask(Message(0)))
            done, _ = await asyncio.wait([asking], timeout=_GREETING_SECONDS)
            asking.cancel()
            if done:
                return

    async def read(self) -> None:
        """Hand replies to their calls."""
        while True:
            for record in await _taken(self._consumer):
                if waiting := self._waiting.get(record.headers[0][1]):
                    waiting.set_result(_DECODER.decode(record.value))


async def _serve(servers: str) -> None:
    producer, consumer = await _clients(servers, ASKED)

    async def answer() -> None:
        while True:
            for record in await _taken(consumer):
                value = msgspec.json.encode(_DECODER.decode(record.value))
                await producer.send(ANSWERED, value, headers=list(record.headers), partition=0)

    with stop_on_signals() as signals:
        answering = asyncio.create_task(answer())
        with long_lived_objects_set_aside():
            await signals.asked.wait()
        answering.cancel()
        await consumer.stop()
        await producer.stop()


async def _call(servers: str, in_flight: int, seconds: float) -> None:
    producer, consumer = await _clients(servers, ANSWERED)
    caller = FloorCaller(producer, consumer)
    reading = asyncio.create_task(caller.read())
    await caller.greet()
    called = await measure(caller, in_flight, seconds)
    reading.cancel()
    await consumer.stop()
    await producer.stop()
    print(msgspec.json.encode(called).decode())


async def _clients(servers: str, reads: str) -> tuple[AIOKafkaProducer, AIOKafkaConsumer]:
    """As durable as ours: what was acknowledged is on all replicas, and stands there once."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=0)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    at = TopicPartition(reads, 0)
    consumer.assign([at])
    await consumer.seek_to_end(at)
    await consumer.position(at)
    return producer, consumer


async def _taken(consumer: AIOKafkaConsumer) -> list[Any]:
    found = await consumer.getmany(timeout_ms=_POLL_MS)
    return [record for records in found.values() for record in records]


if __name__ == "__main__":
    command, given_servers, *numbers = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if command == "serve":
            runner.run(_serve(given_servers))
        else:
            runner.run(_call(given_servers, int(numbers[0]), float(numbers[1])))
