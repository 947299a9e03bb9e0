"""Events that Kafka refused by themselves: listed, sent again, given up without a gap."""

import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from app.outbox.operations import OutboxOperations
from app.outbox.recorder import SqlOutbox
from contracts.envelope import EventMessage
from contracts.order_events import ORDER_EVENT_SKIPPED
from kits.kafka.errors import RecordRefusedError
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
    return OutboxOperations(engine, an_enqueue(), lambda: str(uuid7()))


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
