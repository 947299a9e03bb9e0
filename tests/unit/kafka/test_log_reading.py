"""A piece of a log: the batches must follow each other, since their offsets are under no checksum."""

from collections.abc import Sequence
from struct import pack_into
from typing import Any, cast

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from kits.kafka.connections import Connections
from kits.kafka.errors import RecordsUnreadableError
from kits.kafka.log_reading import LogPiece, read_log
from kits.kafka.records import TopicPartition

AT = TopicPartition("topic", 0)


def batch(base: int, count: int = 1) -> bytes:
    """A batch as it stands in a log: the broker writes its offset, which the CRC does not cover."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1_000_000)
    for index in range(count):
        builder.append(index, 1_000, b"key", str(base + index).encode(), [])
    data = builder.build()
    pack_into(">q", data, 0, base)
    return bytes(data)


class Broker:
    """Answers every fetch with the same bytes."""

    def __init__(self, data: bytes, log_end: int) -> None:
        self.cluster = self
        self._answer: list[Any] = [("topic", [(0, 0, log_end, log_end, 0, [], -1, data)])]

    def leader_for_partition(self, _at: Any) -> int:
        return 1

    async def send(self, _node: int, _request: Any) -> Any:
        return self

    @property
    def topics(self) -> Sequence[Any]:
        return self._answer


async def read(
    data: bytes, offset: int, log_end: int, *, may_have_gaps: bool = False, max_records: int = 100
) -> LogPiece:
    broker = cast(Connections, Broker(data, log_end))
    return await read_log(broker, AT, offset, max_records=max_records, may_have_gaps=may_have_gaps)


def offsets(piece: LogPiece) -> list[int]:
    return [each.offset for each in piece.records]


async def test_reading_begins_within_a_batch_and_a_batch_that_is_cut_off_comes_with_the_next_piece() -> None:
    data = batch(0, 3) + batch(3, 2) + batch(5, 2)
    piece = await read(data[:-1], 1, 7)
    assert (offsets(piece), piece.next_offset) == ([1, 2, 3, 4], 5)
    piece = await read(data, 1, 7, max_records=3)
    assert (offsets(piece), piece.next_offset) == ([1, 2, 3], 4)


async def test_a_gap_is_damage_unless_the_topic_is_compacted() -> None:
    data = batch(0) + batch(4)
    piece = await read(data, 0, 5)
    assert (offsets(piece), piece.next_offset) == ([0], 1)
    with pytest.raises(RecordsUnreadableError, match="offset 1 of partition 0 of topic"):
        await read(batch(4), 1, 5)
    assert offsets(await read(data, 0, 5, may_have_gaps=True)) == [0, 4]


@pytest.mark.parametrize("base", [-3, 0, 1, 9, 2**40])
async def test_a_batch_that_stands_where_none_can_be_is_not_believed(base: int) -> None:
    piece = await read(batch(0, 2) + batch(base, 2) + batch(4), 0, 5, may_have_gaps=True)
    assert (offsets(piece), piece.next_offset) == ([0, 1], 2)


async def test_the_end_of_the_log_is_no_damage_and_an_empty_answer_in_the_middle_is() -> None:
    assert await read(b"", 5, 5) == LogPiece([], 5)
    with pytest.raises(RecordsUnreadableError):
        await read(b"", 4, 5)
