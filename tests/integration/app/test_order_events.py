"""The events of an order's whole life on their way to Kafka: one after the other, by whoever sends them."""

import asyncio
import json

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder
from tests.builders import a_command, a_product
from tests.integration.app.conftest import Shop
from tests.integration.app.outbox_pipeline import Pipeline


async def publish(shop: Shop, pipeline: Pipeline) -> None:
    """What follows the commit in a running process: send what was born claimed, write the answers back."""
    pipeline.publisher.publish(shop.publisher.published)
    shop.publisher.published.clear()
    await asyncio.sleep(0)
    await pipeline.write_back.settle()


@pytest.mark.parametrize("accepting", [True, False])
async def test_created_paid_and_fulfilled_leave_in_this_order(
    shop: Shop, engine: AsyncEngine, accepting: bool
) -> None:
    """Only the first is born claimed: the others wait in the outbox until it is marked published."""
    shop.publisher.accepting = accepting
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    await shop.life.pay(ChangeOrder(order.id, "c-1"))
    await shop.life.fulfil(ChangeOrder(order.id, None))
    assert [claim.message.seq for claim in shop.publisher.published] == ([1] if accepting else [])

    pipeline = Pipeline(engine)
    await pipeline.relay_all()
    assert pipeline.seqs() == ([] if accepting else [1, 2, 3])
    await publish(shop, pipeline)
    await pipeline.relay_all()

    assert pipeline.seqs() == [1, 2, 3]
    types = [json.loads(record.value or b"")["eventType"] for record in pipeline.producer.sent]
    assert types == ["order.created", "order.paid", "order.fulfilled"]
    assert {record.key for record in pipeline.producer.sent} == {order.id.encode()}
    assert await shop.rows("SELECT count(*) FROM outbox_event WHERE published_at IS NULL") == [(0,)]


async def test_a_step_after_the_publish_of_the_former_goes_out_at_once(
    shop: Shop, engine: AsyncEngine
) -> None:
    """No relay is needed in an order's ordinary life."""
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    pipeline = Pipeline(engine)
    await publish(shop, pipeline)
    await shop.life.pay(ChangeOrder(order.id, "c-1"))
    await publish(shop, pipeline)
    await shop.life.fulfil(ChangeOrder(order.id, None))
    await publish(shop, pipeline)
    assert pipeline.seqs() == [1, 2, 3]
