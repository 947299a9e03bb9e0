"""What a service reports about its topics, and how often."""

from collections.abc import Sequence
from typing import Any, cast

from structlog.testing import capture_logs

from kits.kafka.admin import TopicDifference, TopicSpec
from kits.kafka.errors import KafkaError, KafkaUnavailableError
from kits.outbox.topics import OutboxTopics

TOPICS = ("told.v1", "told.v2")


class ScriptedKafka:
    """Both the admin and the producer: what they are asked and told."""

    def __init__(self, *, limit: int, errors: Sequence[KafkaError] = ()) -> None:
        self.limit, self.errors = limit, list(errors)
        self.limits: dict[str, int] = {}

    async def ensure_topics(self, _specs: Sequence[TopicSpec]) -> list[TopicDifference]:
        if self.errors:
            raise self.errors.pop(0)
        return []

    async def topic_limit(self, _topic: str) -> int:
        return self.limit

    def limit_record_size(self, topic: str, max_bytes: int) -> None:
        self.limits[topic] = max_bytes


async def told_by(kafka: ScriptedKafka, *, looks: int) -> list[dict[str, Any]]:
    topics = OutboxTopics(
        cast(Any, kafka),
        cast(Any, kafka),
        [TopicSpec(name, 3) for name in TOPICS],
        max_event_bytes=900_000,
        meanwhile="orders are accepted",
    )
    with capture_logs() as logs:
        for _ in range(looks):
            await topics.ensure()
    return [dict(line) for line in logs]


async def test_a_topic_that_takes_less_than_the_largest_event_is_reported_and_its_limit_applied() -> None:
    """Each topic by itself, and only once."""
    kafka = ScriptedKafka(limit=500_000)
    *differ, ready, _ = await told_by(kafka, looks=2)
    assert [line["difference"].split()[1] for line in differ] == list(TOPICS)
    assert "max.message.bytes=500000, expected 900000 or more" in differ[0]["difference"]
    assert (ready["event"], kafka.limits) == ("topic_ready", dict.fromkeys(TOPICS, 500_000))
    assert [line["event"] for line in await told_by(ScriptedKafka(limit=1_048_588), looks=1)] == [
        "topic_ready"
    ] * 2


async def test_the_reason_why_kafka_cannot_be_used_is_told_once_until_it_is_another() -> None:
    """With what goes on meanwhile."""
    errors = [KafkaUnavailableError(why) for why in ("refused", "refused", "refused", "not trusted")]
    logs = await told_by(ScriptedKafka(limit=1_048_588, errors=errors), looks=5)
    assert [line.get("why") for line in logs] == ["refused", "not trusted", None, None]
    assert all("orders are accepted" in line["action"] for line in logs[:2])
