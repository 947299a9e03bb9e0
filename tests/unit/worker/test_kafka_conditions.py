"""What the worker does about Kafka's settings, rights and a second worker with its name."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, cast

from structlog.testing import capture_logs

from kits.kafka.admin import TopicAdmin, TopicDifference, TopicSpec
from kits.kafka.consumer import AssignmentListener, GroupConsumer
from kits.kafka.errors import InstanceIdInUseError, KafkaConfigurationError
from kits.observability.health import Status
from kits.observability.metrics import Metrics
from tests.unit.worker.fakes import (
    InMemoryLedger,
    InMemoryStorms,
    ListedDeadLetters,
    ScriptedPlatform,
    WallClock,
)
from worker.consumers.data_platform import OrderEventConsumer
from worker.delivery.loop import Limits
from worker.metrics import WorkerMetrics
from worker.order_topics import OrderTopics


class ScriptedAdmin:
    """Answers as a broker would, or refuses."""

    def __init__(self, *, differences: Sequence[TopicDifference] = (), minutes: int | None = 43_200) -> None:
        self.differences, self.minutes = list(differences), minutes

    async def ensure_topics(self, _specs: Sequence[TopicSpec]) -> list[TopicDifference]:
        return self.differences

    async def offsets_retention_minutes(self) -> int:
        if self.minutes is None:
            raise KafkaConfigurationError("no right")
        return self.minutes


def topics(admin: ScriptedAdmin) -> OrderTopics:
    return OrderTopics(cast(TopicAdmin, admin), [])


async def told_by(admin: ScriptedAdmin) -> list[str]:
    checked = topics(admin)
    with capture_logs() as logs:
        await checked.ensure()
        await checked.ensure()
    return [line["event"] for line in logs]


async def test_brokers_that_forget_offsets_before_the_events_are_gone_are_reported_once() -> None:
    assert await told_by(ScriptedAdmin(minutes=10_080)) == ["offsets_retention_short"]
    assert await told_by(ScriptedAdmin(minutes=43_200)) == []


async def test_topics_are_compared_even_where_the_brokers_settings_may_not_be_read() -> None:
    difference = TopicDifference("Topic t has max.message.bytes=1000, expected 2097152.", "raise it")
    admin = ScriptedAdmin(differences=[difference], minutes=None)
    assert await told_by(admin) == ["topic_differs", "offsets_retention_not_checked"]


class TakenSlot:
    """A member of the group that is told, at once, that its instance id is in use."""

    def __init__(self, stop: asyncio.Event, *, in_slot: bool) -> None:
        self._stop, self._in_slot = stop, in_slot

    async def start(self) -> None:
        if self._in_slot:
            raise InstanceIdInUseError("another living member has the instance id 'slot-1'")
        self._stop.set()

    async def poll(self, **_how: int) -> dict[Any, Any]:
        await asyncio.sleep(0.01)
        return {}

    async def stop(self, **_how: float) -> None:
        return


async def test_a_worker_whose_instance_id_is_in_use_says_so_and_goes_on_without() -> None:
    stop = asyncio.Event()
    asked: list[bool] = []

    def new_source(_listener: AssignmentListener, *, in_slot: bool) -> GroupConsumer:
        asked.append(in_slot)
        return cast(GroupConsumer, TakenSlot(stop, in_slot=in_slot))

    consumer = OrderEventConsumer(
        new_source=new_source,
        topics=topics(ScriptedAdmin()),
        ledger=InMemoryLedger(),
        storms=InMemoryStorms(),
        platform=ScriptedPlatform(random.Random(1)),  # noqa: S311
        dead_letters=ListedDeadLetters(),
        clock=WallClock(),
        metrics=WorkerMetrics(Metrics()),
        limits=Limits(),
    )
    with capture_logs() as logs:
        await asyncio.wait_for(consumer.run(stop), 10.0)
    assert asked == [True, False]
    (lost,) = (line for line in logs if line["event"] == "consumer_lost")
    assert "slot-1" in lost["error"]
    assert "WORKER_INSTANCE_ID" in lost["action"]
    states = {check.name: (await check.check()).status for check in consumer.checks()}
    assert states["consumer"] is not Status.OK
