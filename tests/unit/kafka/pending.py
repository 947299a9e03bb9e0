"""Records that wait, for the unit tests of the sending rules."""

import asyncio

from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.kafka.send_queue import Pending, record_size


def pending(
    key: str | None,
    number: int,
    *,
    not_after: float = 1_000.0,
    topic: str = "topic",
    partition: int | None = None,
) -> Pending:
    raw = key.encode() if key is not None else None
    record = OutgoingRecord(topic, raw, str(number).encode(), partition=partition)
    future: asyncio.Future[Acknowledgement] = asyncio.get_running_loop().create_future()
    return Pending(record, Deadline(not_after), future, record_size(record), since=0.0)


def numbers(found: list[Pending]) -> list[int]:
    return [int(each.record.value or b"") for each in found]
