"""The events of an order's whole life on their way to Kafka: one after the other, by whoever sends them."""

import json

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder
from tests.builders import a_command, a_product, paying
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop
from tests.integration.app.outbox_pipeline import Pipeline


async def publish(shop: Shop, pipeline: Pipeline) -> None:
    """What follows the commit in a running process: send what was born claimed, write the answers back."""
    pipeline.queue.offer(shop.publisher.published)
    shop.publisher.published.clear()
    await pipeline.settle()


@pytest.mark.parametrize("accepting", [True, False])
async def test_created_paid_and_fulfilled_leave_in_this_order(engine: AsyncEngine, accepting: bool) -> None:
    """All are born claimed by the process that takes every step; another one's relay finds nothing then."""
    pipeline = Pipeline(engine)
    shop = a_shop(engine, FakePublisher(accepting=accepting), enqueue=pipeline.enqueue)
    await shop.stock([a_product()])
    order = await shop.place(a_command())
    await shop.life.pay(paying(order))
    await shop.life.fulfil(ChangeOrder(order.id, None))
    assert [claim.item.number for claim in shop.publisher.published] == ([1, 2, 3] if accepting else [])

    other = Pipeline(engine)
    await other.relay_all()
    assert other.seqs() == ([] if accepting else [1, 2, 3])
    await publish(shop, pipeline)
    await pipeline.relay_all()

    sent = [*other.producer.sent, *pipeline.producer.sent]
    types = [json.loads(record.value or b"")["eventType"] for record in sent]
    assert types == ["order.created", "order.paid", "order.fulfilled"]
    assert {record.key for record in sent} == {order.id.encode()}
    assert await shop.rows("SELECT count(*) FROM outbox_event WHERE published_at IS NULL") == [(0,)]


async def test_a_step_after_the_publish_of_the_former_goes_out_at_once(engine: AsyncEngine) -> None:
    """No relay is needed in an order's ordinary life, also when its steps are taken by other processes."""
    here, there = Pipeline(engine), Pipeline(engine)
    shops = [a_shop(engine, FakePublisher(), enqueue=each.enqueue) for each in (here, there)]
    await shops[0].stock([a_product()])
    order = await shops[0].place(a_command())
    await publish(shops[0], here)
    await shops[1].life.pay(paying(order))
    await publish(shops[1], there)
    await shops[0].life.fulfil(ChangeOrder(order.id, None))
    await publish(shops[0], here)
    assert (here.seqs(), there.seqs()) == ([1, 3], [2])
