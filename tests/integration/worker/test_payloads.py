"""Replayed events get their bytes back from the place where they were read; what is lost there is listed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.ports import choose_free
from kits.kafka.log_reader import LogReader
from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity
from kits.observability.health import Status
from kits.postgres.engine import create_engine
from tests.integration.worker.inbox_rows import GROUP, NOW, InboxRows
from tests.unit.worker.events import Sample, an_order
from tests.waiting import patient
from worker.handler import PlainValues
from worker.inbox.headers import encode_headers
from worker.inbox.operators.stuck import Filter, State, StuckEvents
from worker.inbox.payloads import Payloads


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, application_name="test-payloads")
    yield engine
    await engine.dispose()


def reader_of(servers: str) -> LogReader:
    """What reads the topic."""
    return LogReader(
        bootstrap_servers=servers, security=KafkaSecurity(), client_id="test", within_seconds=patient(5)
    )


async def written(servers: str, topic: str, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The places of these events in the topic, as a row has them that was delivered and is to come again."""
    producer = RecordProducer(bootstrap_servers=servers, security=KafkaSecurity(), client_id="test")
    await producer.start()
    try:
        not_after = time.monotonic() + patient(60)
        sent = [producer.send(sample.outgoing(topic), not_after=not_after) for sample in samples]
        places = await asyncio.wait_for(asyncio.gather(*sent), patient(60))
    finally:
        await producer.stop(within_seconds=2.0)
    async with reader_of(servers) as reader:
        topic_id = (await reader.topic_ids(topic))[topic]
    bare = {"payload": None, "headers": None, "record_key": None, "replayed_at": NOW}
    return [
        bare
        | {"event_id": sample.event_id, "topic": topic, "topic_id": topic_id}
        | {"partition": place.partition, "offset": place.offset}
        for sample, place in zip(samples, places, strict=True)
    ]


async def test_bytes_come_back_from_their_places(
    rows: InboxRows, engine: AsyncEngine, kafka_servers: str, topic: str
) -> None:
    """As they were: value, key and headers; a row that an older build wrote knows no topic id."""
    samples = [sample for number in range(4) for sample in an_order(f"o-{number}", 10)]
    places = await written(kafka_servers, topic, samples)
    for sample, place in zip(samples, places, strict=True):
        unknown = {"topic_id": None} if sample.order_id == "o-1" else {}
        await rows.put(sample.order_id, sample.seq, **place | unknown)
    payloads = Payloads(engine, reader_of(kafka_servers), PlainValues(), group=GROUP)
    assert await payloads.look()
    assert not await payloads.look()
    found = await rows.ask("SELECT * FROM delivery.inbox_event ORDER BY order_id, seq")
    assert [row["payload"] for row in found] == [sample.payload for sample in samples]
    assert [row["headers"] for row in found] == [encode_headers(sample.header_items) for sample in samples]
    assert [row["record_key"] for row in found] == [sample.order_id.encode() for sample in samples]
    assert found[0]["payload_size"] == len(samples[0].payload or b"")
    assert (await payloads.check()).status is Status.OK


async def test_what_the_topic_has_lost_is_listed_and_not_asked_for_again(
    rows: InboxRows, engine: AsyncEngine, kafka_servers: str, topic: str
) -> None:
    """Deleted, another event at its place, or another topic under its name."""
    kept, gone, other_topic, no_topic, another = await written(kafka_servers, topic, an_order("o", 5))
    await rows.put("gone", 1, **gone | {"offset": 1_000})
    await rows.put("other-topic", 1, **other_topic | {"topic_id": UUID(int=2)})
    await rows.put("no-topic", 1, **no_topic | {"topic": f"{topic}-former"})
    await rows.put("another", 1, **another | {"event_id": Sample().event_id})
    await rows.put("kept", 1, **kept)
    payloads = Payloads(engine, reader_of(kafka_servers), PlainValues(), group=GROUP)
    assert await payloads.look()
    stuck = await StuckEvents(engine, group=GROUP, gap_seconds=30.0).listed(Filter())
    assert {each.order_id for each in stuck} == {"gone", "other-topic", "no-topic", "another"}
    assert {(each.state, each.error_class) for each in stuck} == {(State.UNFILLED, "payload_lost")}
    assert "outbox republish" in stuck[0].why
    assert not await payloads.look()
    await rows.ask("UPDATE delivery.inbox_event SET replayed_at = now() WHERE order_id = 'gone'")
    assert await payloads.look()
    ((filled,),) = await rows.ask("SELECT order_id FROM delivery.inbox_event WHERE payload IS NOT NULL")
    assert filled == "kept"


async def test_an_outage_of_kafka_waits_and_is_an_alert(rows: InboxRows, engine: AsyncEngine) -> None:
    """Nothing counts as lost."""
    await rows.put("o-1", 1, payload=None, replayed_at=NOW)
    (port,) = choose_free()
    payloads = Payloads(engine, reader_of(f"127.0.0.1:{port}"), PlainValues(), group=GROUP)
    assert not await payloads.look()
    found = await payloads.check()
    assert (found.status, "Replayed events wait for their bytes" in found.detail) == (Status.DEGRADED, True)
    (event,) = await StuckEvents(engine, group=GROUP, gap_seconds=30.0).listed(Filter())
    assert event.error_class is None
