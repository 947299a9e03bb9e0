"""While Kafka does not answer one row at most is on its way to find out."""

import asyncio

from app.metrics import AppMetrics
from app.outbox.breaker import PublishBreaker
from app.outbox.publisher import OutboxPublisher
from app.outbox.relay import OutboxRelay
from app.outbox.write_back import WriteBack
from kits.kafka.errors import SendNotDoneError
from kits.observability.metrics import Metrics
from tests.builders import a_message
from tests.fakes import FakeProducer
from tests.unit.outbox.in_memory import InMemoryOutbox, InMemoryTransaction


async def test_a_send_of_a_lost_claim_that_is_still_pending_is_probe_enough() -> None:
    """The process was frozen, lost its row, claimed it again and gave that up: the first send is open."""
    store, producer = InMemoryOutbox(lease_seconds=10.0), FakeProducer(answers=False)
    write_back = WriteBack(store, AppMetrics(Metrics()), lease_seconds=10.0)
    breaker = PublishBreaker(stalled_seconds=2.0, max_pending=100)
    publisher = OutboxPublisher(write_back, producer, breaker, max_held=100)
    relay = OutboxRelay(store, publisher)
    transaction = InMemoryTransaction(store)
    await transaction.add([a_message()], claimed=True)
    await transaction.commit()
    publisher.publish(transaction.claimed())
    (row,) = store.rows.values()
    row.lease_until = 0.0
    await relay.relay_once()
    producer.waiting.pop().set_exception(SendNotDoneError("its deadline passed"))
    await asyncio.sleep(0)
    await write_back.settle()
    assert (publisher.held, producer.pending) == (0, 1)
    breaker.is_open = True
    await relay.relay_once()
    assert producer.pending == 1
    assert row.token is None
