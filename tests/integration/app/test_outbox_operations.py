"""Events that Kafka refused by themselves: listed, sent again, given up without a gap."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from app.outbox.operations import OutboxOperations, Published
from app.outbox.recorder import SqlOutbox
from app.outbox.table import outbox_queue
from contracts.envelope import EventMessage
from contracts.order_events import ORDER_EVENT_SKIPPED
from kits.kafka.errors import RecordRefusedError
from kits.ordered_queue.actions import Actions
from kits.postgres.driver import driver_transaction
from tests.builders import a_message
from tests.integration.app.conftest import an_enqueue
from tests.integration.app.outbox_pipeline import Pipeline

ORDER = "0199aaaa-0000-7000-8000-000000000001"


@pytest.fixture
def pipeline(engine: AsyncEngine) -> Pipeline:
    """One process."""
    return Pipeline(engine)


@pytest.fixture
def operations(engine: AsyncEngine) -> OutboxOperations:
    """The operator."""
    actions = Actions(outbox_queue("public"))
    return OutboxOperations(engine, an_enqueue(), actions, lambda: str(uuid7()))


async def with_a_dead_event(engine: AsyncEngine, pipeline: Pipeline) -> list[EventMessage]:
    """An order of three events, the second of which Kafka refused for good."""
    messages = [a_message(ORDER, seq) for seq in (1, 2, 3)]
    async with driver_transaction(engine) as connection:
        await SqlOutbox(connection, an_enqueue()).add(messages, claimed=False)
    pipeline.producer.answers = False
    await pipeline.relay_once()
    pipeline.producer.answer()
    await pipeline.settle()
    pipeline.producer.refuse(RecordRefusedError("too strange"))
    await pipeline.settle()
    pipeline.producer.answers = True
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2]
    return messages


async def rows(engine: AsyncEngine, query: str) -> list[Any]:
    """What the database has."""
    async with engine.connect() as connection:
        return list((await connection.execute(text(query))).all())


async def test_retry_lets_the_relay_send_it_and_what_waits_behind_it(
    engine: AsyncEngine, pipeline: Pipeline, operations: OutboxOperations
) -> None:
    """In order, audited; asking twice does nothing more."""
    await with_a_dead_event(engine, pipeline)
    (dead,) = await operations.dead(order_id=ORDER)
    assert (dead.order_id, dead.seq) == (ORDER, 2)
    assert "too strange" in (dead.error or "")
    assert await operations.retry([dead.event_id], actor="kim", reason="") == 1
    assert await operations.retry([dead.event_id], actor="kim", reason="") == 0
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2, 2, 3]
    assert await operations.dead() == []
    audit = await rows(engine, "SELECT actor, action, order_id, seq FROM outbox_audit")
    assert audit == [("kim", "retry", ORDER, 2)]


async def test_abandon_puts_a_notice_in_its_place_and_the_order_goes_on(
    engine: AsyncEngine, pipeline: Pipeline, operations: OutboxOperations
) -> None:
    """The same number, the event that was given up and why: a reader sees 1, 2, 3."""
    messages = await with_a_dead_event(engine, pipeline)
    assert await operations.abandon([messages[1].event_id], actor="kim", reason="ticket 7") == 1
    assert await operations.abandon([messages[1].event_id], actor="kim", reason="ticket 7") == 0
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2, 2, 3]
    notice = json.loads(pipeline.producer.sent[2].value or b"")
    assert (notice["eventType"], notice["seq"]) == (ORDER_EVENT_SKIPPED, 2)
    assert (notice["skippedEventId"], notice["reason"]) == (messages[1].event_id, "ticket 7")
    kept = await rows(
        engine,
        "SELECT seq FROM outbox_event WHERE abandoned_at IS NULL AND published_at IS NOT NULL ORDER BY seq",
    )
    assert [seq for (seq,) in kept] == [1, 2, 3]
    audit = await rows(engine, "SELECT actor, action, seq, reason FROM outbox_audit")
    assert audit == [("kim", "abandon", 2, "ticket 7")]


async def test_what_is_not_dead_cannot_be_given_up(
    engine: AsyncEngine, pipeline: Pipeline, operations: OutboxOperations
) -> None:
    """Published or still on its way: nothing happens to it."""
    messages = await with_a_dead_event(engine, pipeline)
    ids = [messages[0].event_id, messages[2].event_id]
    assert await operations.abandon(ids, actor="kim", reason="by mistake") == 0
    assert await rows(engine, "SELECT * FROM outbox_audit") == []
    assert len(await operations.dead(event_id=messages[1].event_id)) == 1


async def published(engine: AsyncEngine, pipeline: Pipeline) -> list[EventMessage]:
    """Two orders of two events each, all of them with Kafka: at the offsets 1 to 4."""
    messages = [a_message(ORDER, 1), a_message(seq=1), a_message(ORDER, 2)]
    messages.append(a_message(messages[1].aggregate_id, 2))
    for message in messages:
        async with driver_transaction(engine) as connection:
            await SqlOutbox(connection, pipeline.enqueue).add([message], claimed=False)
        await pipeline.relay_all()
    pipeline.producer.sent.clear()
    return messages


async def test_republish_sends_what_was_published_once_more_in_order(
    engine: AsyncEngine, pipeline: Pipeline, operations: OutboxOperations
) -> None:
    """The same ids and bytes, audited; what is on its way again is not taken twice."""
    messages = await published(engine, pipeline)
    chosen = Published(order_id=ORDER)
    assert await operations.count(chosen) == 2
    assert await operations.republish(chosen, actor="kim", reason="seek 9") == 2
    assert await operations.republish(chosen, actor="kim", reason="seek 9") == 0
    await pipeline.relay_all()
    assert [record.value for record in pipeline.producer.sent] == [messages[0].payload, messages[2].payload]
    audit = await rows(engine, "SELECT actor, action, order_id, seq, reason FROM outbox_audit ORDER BY seq")
    assert audit == [("kim", "republish", ORDER, seq, "seek 9") for seq in (1, 2)]
    assert await rows(engine, "SELECT count(*) FROM outbox_event WHERE published_at IS NULL") == [(0,)]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Published(partition=0, first_offset=2, last_offset=3), [1, 2]),
        (Published(partition=1, first_offset=0, last_offset=99), []),
        (Published(since=datetime.now(UTC) - timedelta(minutes=5)), [0, 1, 2, 3]),
        (Published(since=datetime.now(UTC) + timedelta(days=1)), []),
        (Published(order_id="another"), []),
    ],
)
async def test_republish_takes_a_part_of_a_partition_or_what_is_younger(
    engine: AsyncEngine,
    pipeline: Pipeline,
    operations: OutboxOperations,
    chosen: Published,
    expected: list[int],
) -> None:
    """Both ends of the part included; never what is not published yet, is dead or was given up."""
    messages = await published(engine, pipeline)
    async with driver_transaction(engine) as connection:
        await SqlOutbox(connection, pipeline.enqueue).add([a_message()], claimed=True)
    assert await operations.count(chosen) == len(expected)
    assert await operations.republish(chosen, actor="kim", reason="lost") == len(expected)
    waiting = await rows(engine, "SELECT event_id::text FROM outbox_event WHERE replayed_at IS NOT NULL")
    assert {event_id for (event_id,) in waiting} == {messages[place].event_id for place in expected}


async def test_more_than_a_transaction_takes_are_taken_in_portions(
    engine: AsyncEngine, operations: OutboxOperations
) -> None:
    """All of them, of dead and of published events alike."""
    async with engine.begin() as connection:
        for state in ("dead_at", "published_at"):
            await connection.execute(text(MANY.format(state=state)))
    dead = [event.event_id for event in await operations.dead()]
    assert await operations.retry(dead, actor="kim", reason="") == 1100
    assert await operations.republish(Published(partition=0, last_offset=5), actor="kim", reason="") == 1100
    assert await rows(engine, "SELECT count(*) FROM outbox_audit") == [(2200,)]


MANY = """
INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, seq, event_type, event_version, topic, key,
                          payload, headers, occurred_at, partition, "offset", {state})
SELECT gen_random_uuid(), 'order', '{state}' || n, 1, 'order.created', 1, 'order-events', 'k', '{{}}', '{{}}',
       now(), 0, 5, now() FROM generate_series(1, 1100) AS n
"""
