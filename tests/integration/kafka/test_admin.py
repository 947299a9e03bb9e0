"""Topics are made if they are missing; what differs is told and never changed."""

import pytest

from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.log_reader import LogReader
from tests.integration.kafka.clients import PLAIN, topic_admin


async def test_a_missing_topic_is_made_as_specified_and_found_equal_afterwards(
    kafka_servers: str, topic: str
) -> None:
    admin = topic_admin(kafka_servers)
    spec = TopicSpec(f"{topic}-made", 4, config={"retention.ms": "60000", "max.message.bytes": "2048"})
    try:
        assert await admin.ensure_topics([spec]) == []
        assert await admin.ensure_topics([spec]) == []
        assert await admin.topic_limit(spec.name) == 2048
    finally:
        await admin.delete_topics([spec.name])


async def test_topics_that_were_made_can_be_used_at_once(
    kafka_servers: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody who asks right afterwards is told that there are none, or that nobody leads them."""
    admin = topic_admin(kafka_servers)
    specs = [TopicSpec(f"{topic}-{number}", 12) for number in range(12)]
    try:
        assert await admin.ensure_topics(specs) == []
        async with LogReader(bootstrap_servers=kafka_servers, security=PLAIN, client_id="test") as reader:
            assert [await reader.partition_count(spec.name) for spec in specs] == [12] * 12
        assert [each.getMessage() for each in caplog.records if each.name.startswith("aiokafka")] == []
    finally:
        await admin.delete_topics([spec.name for spec in specs])


async def test_what_differs_is_told_in_a_sentence_each_and_stays_as_it_is(
    kafka_servers: str, topic: str
) -> None:
    admin = topic_admin(kafka_servers)
    spec = TopicSpec(
        topic, 5, replication_factor=2, config={"cleanup.policy": "compact", "retention.ms": "1"}
    )
    told = await admin.ensure_topics([spec])
    assert told == await admin.ensure_topics([spec])
    assert [difference.sentence for difference in told] == [
        f"Topic {topic} has 3 partitions, expected 5 or more.",
        f"Topic {topic} has 1 replicas, expected 2.",
        f"Topic {topic} has cleanup.policy=delete, expected compact.",
        f"Topic {topic} has retention.ms=604800000, expected 1.",
    ]


async def test_more_partitions_than_expected_are_as_good_and_a_topic_can_have_as_many_as_another(
    kafka_servers: str, topic: str
) -> None:
    admin = topic_admin(kafka_servers)
    copies = TopicSpec(f"{topic}-copies", 1, like=topic)
    try:
        assert await admin.ensure_topics([TopicSpec(topic, 2), copies]) == []
        (differs,) = await admin.ensure_topics([TopicSpec(copies.name, 4)])
        assert differs.sentence == f"Topic {copies.name} has 3 partitions, expected 4 or more."
        assert f"kafka-topics.sh --alter --topic {copies.name} --partitions 4" in differs.action
        alone = TopicSpec(f"{topic}-alone", 1, like=f"{topic}-missing")
        assert await admin.ensure_topics([alone]) == []
        assert len(await admin.ensure_topics([TopicSpec(alone.name, 2)])) == 1
    finally:
        await admin.delete_topics([copies.name, f"{topic}-alone"])


async def test_a_topic_the_broker_cannot_make_is_a_matter_of_configuration(
    kafka_servers: str, topic: str
) -> None:
    with pytest.raises(KafkaConfigurationError, match="InvalidReplicationFactor"):
        await topic_admin(kafka_servers).ensure_topics([TopicSpec(f"{topic}-x", 1, replication_factor=9)])


async def test_deleting_a_topic_that_does_not_exist_is_fine(kafka_servers: str) -> None:
    await topic_admin(kafka_servers).delete_topics(["no-such-topic"])


async def test_the_limit_of_a_topic_that_does_not_exist_is_a_matter_of_configuration(
    kafka_servers: str,
) -> None:
    with pytest.raises(KafkaConfigurationError):
        await topic_admin(kafka_servers).topic_limit("no-such-topic")


async def test_the_memory_of_the_brokers_for_idle_groups_can_be_read(kafka_servers: str) -> None:
    assert await topic_admin(kafka_servers).offsets_retention_minutes() > 0


async def test_without_a_broker_the_error_names_the_causes() -> None:
    admin = TopicAdmin(bootstrap_servers="127.0.0.1:1", security=PLAIN, client_id="test", within_seconds=2.0)
    with pytest.raises(KafkaUnavailableError, match="wrong listener"):
        await admin.topic_limit("any")
