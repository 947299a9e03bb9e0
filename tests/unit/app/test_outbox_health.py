"""What /readyz says of Kafka: that it answers only if it did."""

from typing import Any, cast

import pytest

from app.outbox.health import OutboxHealth
from app.settings import OrderSettings
from contracts.topics import ORDER_EVENTS_PARTITIONS
from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity
from kits.observability.health import Status
from kits.resilience.breaker import Breaker
from worker.settings import OrderTopicSettings


class Scripted:
    """A breaker and a broker that are as they are told."""

    def __init__(self, *, stalled: bool, answers: bool) -> None:
        self.is_closed, self.answers = not stalled, answers

    async def broker_answers(self, *, within_seconds: float) -> bool:
        return self.answers


@pytest.mark.parametrize(
    ("stalled", "answers", "status"),
    [
        (False, True, Status.OK),
        (False, False, Status.DEGRADED),
        (True, True, Status.DEGRADED),
        (True, False, Status.DEGRADED),
    ],
)
async def test_kafka_is_ok_only_while_it_answers_and_takes_events(
    stalled: bool, answers: bool, status: Status
) -> None:
    """Without a send only a question shows it."""
    kafka = Scripted(stalled=stalled, answers=answers)
    assert (await OutboxHealth(cast(Breaker, kafka), kafka).check()).status is status


async def test_a_producer_that_never_met_a_broker_has_no_answer() -> None:
    """Neither before its start nor while it still tries."""
    producer = RecordProducer(bootstrap_servers="127.0.0.1:1", security=KafkaSecurity(), client_id="test")
    idle = cast(Any, Scripted(stalled=False, answers=True))
    try:
        assert (await OutboxHealth(idle, producer).check()).status is Status.DEGRADED
        await producer.start()
        assert (await OutboxHealth(idle, producer).check()).status is Status.DEGRADED
    finally:
        await producer.stop(within_seconds=0.1)


def test_both_processes_expect_the_same_topic() -> None:
    """Whichever comes first makes it."""
    expected = {OrderSettings().events_partitions, OrderTopicSettings().events_partitions}
    assert expected == {ORDER_EVENTS_PARTITIONS}
