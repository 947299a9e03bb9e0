"""The book of open sends: bounded, oldest first, each future ended exactly once."""

import asyncio

import pytest

from kits.kafka.errors import BufferFullError, SendNotDoneError
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.kafka.send_book import SendBook

RECORD = OutgoingRecord("topic", b"key", b"value")


def book(*, max_records: int = 10, max_bytes: int = 1_000) -> tuple[SendBook, list[float]]:
    now = [0.0]
    return SendBook(max_records=max_records, max_bytes=max_bytes, clock=lambda: now[0]), now


async def test_the_number_and_the_bytes_of_open_records_are_bounded() -> None:
    sends, _ = book(max_records=2, max_bytes=100)
    first = sends.open(RECORD, Deadline(1.0), 60)
    with pytest.raises(BufferFullError):
        sends.open(RECORD, Deadline(1.0), 60)
    sends.open(RECORD, Deadline(1.0), 40)
    with pytest.raises(BufferFullError):
        sends.open(RECORD, Deadline(1.0), 0)
    sends.acknowledge([first], partition=0, base_offset=0)
    sends.open(RECORD, Deadline(1.0), 60)


async def test_the_age_is_that_of_the_oldest_open_record() -> None:
    sends, now = book()
    assert sends.oldest_seconds == 0.0
    first = sends.open(RECORD, Deadline(1.0), 1)
    now[0] = 3.0
    sends.open(RECORD, Deadline(1.0), 1)
    assert sends.oldest_seconds == 3.0
    sends.acknowledge([first], partition=0, base_offset=0)
    assert sends.oldest_seconds == 0.0


async def test_a_batch_is_acknowledged_with_consecutive_offsets() -> None:
    sends, _ = book()
    batch = [sends.open(RECORD, Deadline(1.0), 1) for _ in range(2)]
    sends.acknowledge(batch, partition=2, base_offset=7)
    assert [each.future.result() for each in batch] == [
        Acknowledgement("topic", 2, 7),
        Acknowledgement("topic", 2, 8),
    ]
    assert sends.acknowledged == 2
    assert sends.empty.is_set()


async def test_a_repeat_whose_place_the_broker_forgot_is_acknowledged_without_an_offset() -> None:
    sends, _ = book()
    batch = [sends.open(RECORD, Deadline(1.0), 1) for _ in range(2)]
    sends.acknowledge(batch, partition=2, base_offset=-1)
    assert [each.future.result().offset for each in batch] == [-1, -1]


async def test_a_future_that_its_owner_cancelled_is_closed_like_any_other() -> None:
    sends, _ = book()
    given_up, failed = [sends.open(RECORD, Deadline(1.0), 1) for _ in range(2)]
    given_up.future.cancel()
    await asyncio.sleep(0)
    sends.acknowledge([given_up], partition=0, base_offset=0)
    sends.fail_all(lambda: SendNotDoneError("stopped"))
    assert len(sends) == 0
    with pytest.raises(SendNotDoneError):
        await failed.future
