"""Replayed events get their bytes back from the place where they were read; what is lost there is listed."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.errors import KafkaUnavailableError, OffsetOutOfRangeError
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.health import Status
from kits.postgres.engine import create_engine
from tests.integration.worker.inbox_rows import GROUP, NOW, TOPIC, InboxRows
from tests.unit.worker.events import Sample
from worker.inbox.headers import encode_headers
from worker.inbox.payloads import Payloads
from worker.inbox.stuck import Filter, State, StuckEvents

THIS_TOPIC = UUID(int=1)


@dataclass
class Piece:
    """What one fetch brings."""

    records: Sequence[IncomingRecord]
    next_offset: int


@dataclass
class Log:
    """A topic of which a test says what is left; a fetch brings three offsets at most."""

    records: dict[tuple[int, int], IncomingRecord] = field(default_factory=dict)
    id: UUID | None = THIS_TOPIC
    is_up: bool = True
    fetches: int = 0

    async def topic_id(self, topic: str) -> UUID | None:
        """Of the only topic."""
        if not self.is_up:
            raise KafkaUnavailableError("no broker answers")
        return self.id if topic == TOPIC else None

    async def read(self, at: TopicPartition, offset: int) -> Piece:
        """Three offsets."""
        self.fetches += 1
        found = [
            each for place in range(offset, offset + 3) if (each := self.records.get((at.partition, place)))
        ]
        if not found:
            raise OffsetOutOfRangeError(at, offset)
        return Piece(found, offset + 3)


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, application_name="test-payloads")
    yield engine
    await engine.dispose()


async def replayed(rows: InboxRows, log: Log | None, order_id: str, seq: int, **columns: Any) -> str:
    """An event that is to come again; `log` has it still."""
    bare: dict[str, Any] = {"payload": None, "headers": None, "record_key": None, "replayed_at": NOW}
    event_id = await rows.put(order_id, seq, **bare | columns)
    ((partition, offset),) = await rows.ask(
        'SELECT partition, "offset" FROM delivery.inbox_event WHERE event_id = $1', event_id
    )
    if log is not None:
        log.records[partition, offset] = Sample(order_id, seq, event_id).incoming(offset, partition=partition)
    return event_id


async def test_bytes_come_back_from_their_places_a_piece_at_a_time(
    rows: InboxRows, engine: AsyncEngine
) -> None:
    """As they were: value, key and headers; a row that an older build wrote knows no topic id."""
    log = Log()
    for number in range(1, 6):
        await replayed(rows, log, "o-1", number)
    await replayed(rows, log, "o-2", 1, partition=1, topic_id=None)
    payloads = Payloads(engine, log, group=GROUP)
    assert await payloads.look()
    assert log.fetches == 3
    assert not await payloads.look()
    query = "SELECT * FROM delivery.inbox_event ORDER BY order_id, seq"
    found = await rows.ask(query)
    samples = [Sample(row["order_id"], row["seq"], row["event_id"]) for row in found]
    assert [row["payload"] for row in found] == [sample.payload for sample in samples]
    assert [row["headers"] for row in found] == [encode_headers(sample.header_items) for sample in samples]
    assert [row["record_key"] for row in found] == [b"o-1"] * 5 + [b"o-2"]
    assert found[0]["payload_size"] == len(samples[0].payload or b"")
    assert (await payloads.check()).status is Status.OK


async def test_what_the_topic_has_lost_is_listed_and_not_asked_for_again(
    rows: InboxRows, engine: AsyncEngine
) -> None:
    """Deleted, another event at its place, or another topic under its name."""
    log = Log()
    await replayed(rows, None, "gone", 1)
    await replayed(rows, log, "other-topic", 1, topic_id=UUID(int=2))
    await replayed(rows, log, "no-topic", 1, topic="former")
    event_id = await replayed(rows, log, "another", 1)
    (place,) = [
        place for place, record in log.records.items() if dict(record.headers)["ce_id"] == event_id.encode()
    ]
    log.records[place] = Sample("another", 1).incoming(place[1])
    kept = await replayed(rows, log, "kept", 1)
    payloads = Payloads(engine, log, group=GROUP)
    assert await payloads.look()
    stuck = await StuckEvents(engine, group=GROUP).listed(Filter())
    assert {each.order_id for each in stuck} == {"gone", "other-topic", "no-topic", "another"}
    assert {(each.state, each.error_class) for each in stuck} == {(State.UNFILLED, "payload_lost")}
    assert "outbox republish" in stuck[0].why
    assert not await payloads.look()
    ((filled,),) = await rows.ask("SELECT event_id FROM delivery.inbox_event WHERE payload IS NOT NULL")
    assert filled == kept


async def test_an_outage_of_kafka_waits_and_is_told(rows: InboxRows, engine: AsyncEngine) -> None:
    """Nothing counts as lost."""
    log = Log(is_up=False)
    await replayed(rows, log, "o-1", 1)
    payloads = Payloads(engine, log, group=GROUP)
    assert not await payloads.look()
    assert (await payloads.check()).detail == "Replayed events wait for their bytes: no broker answers."
    log.is_up = True
    assert await payloads.look()
    assert (await payloads.check()).status is Status.OK
