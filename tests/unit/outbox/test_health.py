"""What /readyz says of Kafka: that it answers only if it did."""

from typing import Any, cast

import pytest

from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity
from kits.observability.health import Status
from kits.outbox.health import OutboxHealth
from kits.resilience.breaker import Breaker


class Scripted:
    """A breaker and a broker that are as they are told."""

    def __init__(self, *, stalled: bool, answers: bool) -> None:
        self.is_closed, self.answers = not stalled, answers

    async def broker_answers(self, *, within_seconds: float) -> bool:
        return self.answers


def health(breaker: object, broker: Any) -> OutboxHealth:
    """Of a service that takes orders."""
    return OutboxHealth(cast(Breaker, breaker), broker, meanwhile="orders are accepted")


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
    found = await health(kafka, kafka).check()
    assert found.status is status
    assert found.detail in {"", "Kafka does not answer; orders are accepted, their events wait."}


async def test_a_producer_that_never_met_a_broker_has_no_answer() -> None:
    """Neither before its start nor while it still tries."""
    producer = RecordProducer(bootstrap_servers="127.0.0.1:1", security=KafkaSecurity(), client_id="test")
    idle = cast(Any, Scripted(stalled=False, answers=True))
    try:
        assert (await health(idle, producer).check()).status is Status.DEGRADED
        await producer.start()
        assert (await health(idle, producer).check()).status is Status.DEGRADED
    finally:
        await producer.stop(within_seconds=0.1)
