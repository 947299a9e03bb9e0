"""Batches as no ordinary producer writes them, and damage to those that stand in a broker's files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from struct import pack_into, unpack_from
from typing import Any, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

from kits.kafka.records import TopicPartition
from tests.waiting import eventually

OFFSET_AT, LENGTH_AT, CRC_AT, ATTRIBUTES_AT, RECORDS_AT = 0, 8, 17, 21, 61
Damage = Callable[[bytearray], None]
Batch = Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[Any, bytes]]]]


class RawName(str):
    """A header name that is written as other bytes than its own."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def __new__(cls, _raw: bytes) -> Self:
        return super().__new__(cls, "raw")

    def encode(self, *_arguments: Any) -> bytes:
        return self._raw


async def send_batches(servers: str, at: TopicPartition, *batches: Batch) -> list[int]:
    """Write each as one batch, as soon as the partition has a leader; returns the offsets of their first."""
    connections = AIOKafkaClient(bootstrap_servers=servers)
    await connections.bootstrap()
    try:
        await connections._wait_on_metadata(at.topic)
        return [await _send(connections, at, batch) for batch in batches]
    finally:
        await connections.close()


async def _send(connections: AIOKafkaClient, at: TopicPartition, batch: Batch) -> int:
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1_000_000)
    for index, (key, value, headers) in enumerate(batch):
        builder.append(index, None, key, value, headers)
    request = ProduceRequest(None, -1, 10_000, [(at.topic, [(at.partition, bytes(builder.build()))])])

    async def answer() -> tuple[int, ...]:
        leader = connections.cluster.leader_for_partition(at)
        ((_, ((_, code, offset, *_),)),) = (await connections.send(leader, request)).topics
        return () if code else (int(offset),)

    return (await eventually(answer))[0]


def damage_batch(log: Path, number: int, damage: Damage) -> None:
    """Change one batch in a segment file under a running broker, as a failing disk does."""
    data = bytearray(log.read_bytes())
    begin = 0
    for _ in range(number):
        begin = _end_of(data, begin)
    batch = data[begin : _end_of(data, begin)]
    damage(batch)
    with log.open("r+b") as file:
        file.seek(begin)
        file.write(batch)


def flip(at: int) -> Damage:
    """One byte of the batch."""

    def flipped(batch: bytearray) -> None:
        batch[at] ^= 0xFF

    return flipped


def bit(at: int) -> Damage:
    """The lowest bit of one byte."""

    def flipped(batch: bytearray) -> None:
        batch[at] ^= 1

    return flipped


def with_right_crc(damage: Damage) -> Damage:
    """The same as if it had been written so."""

    def damaged(batch: bytearray) -> None:
        damage(batch)
        pack_into(">I", batch, CRC_AT, calc_crc32c(bytes(batch[ATTRIBUTES_AT:])))

    return damaged


def unknown_codec(batch: bytearray) -> None:
    """A compression that nobody has."""
    batch[ATTRIBUTES_AT + 1] |= 7


def longer(batch: bytearray) -> None:
    """A length that reaches beyond the log."""
    pack_into(">i", batch, LENGTH_AT, 1_000_000)


def _end_of(data: bytearray, begin: int) -> int:
    return begin + 12 + int(unpack_from(">i", data, begin + LENGTH_AT)[0])
